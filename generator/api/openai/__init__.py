"""OpenAI's Images API, for programs that are written for it: another base URL and key, and they draw here.

https://platform.openai.com/docs/api-reference/images, as its clients speak it (`openai` 3 for Python and 7 for Node).
`fields` has what becomes of each field, and the documentation shows that very table.
"""
