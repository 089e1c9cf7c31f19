// A call as code to paste, as `generator/snippets.py` writes it: the key is read from the environment.
// Listens to "try-call" {call, base, blocks} and writes the call into the block of each language.

const KEY = "REVEWEB_API_KEY";
const indented = (value, margin) => JSON.stringify(value, null, 2).replaceAll("\n", `\n${margin}`);

const WRITERS = { bash: curl, python, javascript };

document.addEventListener("try-call", ({ detail: { call, base, blocks } }) => {
  for (const [language, block] of Object.entries(blocks)) block.textContent = WRITERS[language](call, base + call.path);
});

const own = (call) => Object.entries(call.headers ?? {}).filter(([name]) => name !== "Content-Type");
const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
const several = (values) =>
  Object.entries(values).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]));

function curl(call, url) {
  const lines = [`curl ${quoted(url)}`, `-H "Authorization: Bearer $${KEY}"`];
  if (call.method !== (call.json || call.form ? "POST" : "GET")) lines.splice(1, 0, `-X ${call.method}`);
  for (const [name, value] of own(call)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (call.json) lines.push('-H "Content-Type: application/json"', `-d ${quoted(indented(call.json, "  "))}`);
  for (const [name, value] of several(call.form ?? {})) lines.push(`-F ${quoted(`${name}=${value}`)}`);
  for (const [name, file] of call.files ?? []) lines.push(`-F ${quoted(`${name}=@${file.name}`)}`);
  return lines.join(" \\\n  ");
}

// JSON is Python too, but for these three.
const literal = (value, margin) =>
  indented(value, margin).replace(
    /"(?:[^"\\]|\\.)*"|\btrue\b|\bfalse\b|\bnull\b/g,
    (one) => ({ true: "True", false: "False", null: "None" })[one] ?? one,
  );

function python(call, url) {
  const headers = [`"Authorization": f"Bearer {os.environ['${KEY}']}"`];
  for (const [name, value] of own(call)) headers.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const lines = [JSON.stringify(url), `headers={${headers.join(", ")}}`];
  if (call.json) lines.push(`json=${literal(call.json, "    ")}`);
  if (call.form && Object.keys(call.form).length) lines.push(`data=${literal(call.form, "    ")}`);
  if (call.files?.length) {
    const files = call.files.map(
      ([name, file]) => `(${JSON.stringify(name)}, open(${JSON.stringify(file.name)}, "rb"))`,
    );
    lines.push(`files=[${files.join(", ")}]`);
  }
  lines.push("timeout=180");
  const body = lines.map((line) => `    ${line},\n`).join("");
  return `import os\n\nimport requests\n\nresponse = requests.${call.method.toLowerCase()}(\n${body})\nprint(response.status_code, response.text)`;
}

function javascript(call, url) {
  const headers = [`"Authorization": \`Bearer \${process.env.${KEY}}\``];
  for (const [name, value] of own(call)) headers.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (call.json) headers.push('"Content-Type": "application/json"');
  const lines = [`method: ${JSON.stringify(call.method)}`, `headers: { ${headers.join(", ")} }`];
  let before = "";
  if (call.json) lines.push(`body: JSON.stringify(${indented(call.json, "  ")})`);
  if (call.form) {
    before = call.files?.length ? 'import { openAsBlob } from "node:fs";\n\n' : "";
    before += "const form = new FormData();\n";
    for (const [name, value] of several(call.form))
      before += `form.append(${JSON.stringify(name)}, ${JSON.stringify(String(value))});\n`;
    for (const [name, file] of call.files ?? []) {
      const named = JSON.stringify(file.name);
      before += `form.append(${JSON.stringify(name)}, await openAsBlob(${named}), ${named});\n`;
    }
    lines.push("body: form");
  }
  const body = lines.map((line) => `  ${line},\n`).join("");
  return `${before}const response = await fetch(${JSON.stringify(url)}, {\n${body}});\nconsole.log(response.status, await response.text());`;
}
