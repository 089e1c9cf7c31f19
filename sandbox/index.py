"""The sandbox's one page for people: what this is, how it behaves, and how to make it fail."""

from __future__ import annotations

from html import escape

from sandbox.failures import DESCRIPTIONS
from sandbox.reve import MODEL
from sandbox.settings import Settings

_STYLE = """
:root { color-scheme: light dark; --ink: #20242b; --soft: #5b6472; --line: #dfe3e8; --paper: #fbfaf7; --tint: #f0ece2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e1; --soft: #a0a6b0; --line: #333943; --paper: #15181d; --tint: #20252d }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 5rem }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .5rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem }
p.lead { color: var(--soft); margin-top: 0 }
code { background: var(--tint); border-radius: 4px; padding: .1em .35em; font-size: .9em; overflow-wrap: anywhere }
pre { background: var(--tint); border-radius: 8px; padding: 1rem; overflow-x: auto } pre code { padding: 0 }
dl { margin: 0 } dt { margin-top: .9rem } dd { margin: .15rem 0 0; color: var(--soft) }
"""


def page(settings: Settings) -> str:
    """Return the index page as HTML."""
    modes = "\n".join(
        f"<dt><code>[sandbox:{mode.value}]</code></dt><dd>{escape(text)}</dd>" for mode, text in DESCRIPTIONS.items()
    )
    key = "only the key in <code>SANDBOX_API_KEY</code>" if settings.api_key else "any non-empty Bearer key"
    every = f"<p><strong>SANDBOX_FAIL={settings.fail.value}</strong> applies to all.</p>" if settings.fail else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Image API sandbox</title><style>{_STYLE}</style></head><body><main>
<h1>Image API sandbox</h1>
<p class="lead">A simulated upstream. No image model runs here: a small program paints a picture for
each prompt, and every answer says <code>"model": "{MODEL}"</code>. It listens on this machine only.</p>
<h2>How it behaves</h2>
<p>It accepts {key}. A generation takes {settings.seconds:g} s (<code>SANDBOX_SECONDS</code>): the status is
<code>pending</code>, then <code>processing</code>, then <code>completed</code>. The same prompt and ratio always give
the same picture. Words in “quotes” are set as type. Jobs survive a restart.</p>
<pre><code>curl http://127.0.0.1:{settings.port}/v1/images/generate \\
  -H "Authorization: Bearer anything" -H "Content-Type: application/json" \\
  -d '{{"prompt": "a lighthouse at sunset", "aspect_ratio": "16:9", "async": true}}'
curl http://127.0.0.1:{settings.port}/v1/images/status/img_… -H "Authorization: Bearer anything"</code></pre>
<p>The same pictures come in other protocols too, with the same ways to fail: OpenAI's Images API at
<code>/openai/v1</code>, fal's queue at <code>/fal</code> (with <code>Authorization: Key …</code>) and Replicate's
predictions at <code>/replicate</code>; <code>/v1/reve-image/edit</code> and <code>/remix</code> take pictures.</p>
<p><a href="/sandbox/jobs">/sandbox/jobs</a> lists what was asked and accepted; <a href="/healthz">/healthz</a>
answers while the process lives.</p>
<h2>How to make it fail</h2>
<p>Put one of these anywhere in a prompt, or name it in <code>SANDBOX_FAIL</code> to apply it to every generation.
“The first” is counted for each exact prompt since the process started.</p>{every}
<dl>
{modes}
</dl>
</main></body></html>
"""
