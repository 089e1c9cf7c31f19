"""The documentation, written once in Markdown: pages, `llms.txt`, search and the tests' snippets all come from it."""
