// The example for Node.js of the API's public document: asked for asynchronously, then polled.

import { FACTS, main, picture, row } from "./telling.mjs";

async function generateImage(apiKey, prompt, fields = {}) {
  const response = await fetch(`${FACTS.url}/v1/reve-image/generate`, {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
    body: JSON.stringify({ prompt, aspect_ratio: "1:1", async: true, ...fields }),
  });
  if (!response.ok) throw new Error(`Failed to generate image: ${response.statusText}`);
  return await response.json();
}

async function checkImageStatus(apiKey, imageId) {
  const response = await fetch(`${FACTS.url}/v1/reve-image/status/${imageId}/`, {
    headers: { Authorization: `Bearer ${apiKey}` },
  });
  if (!response.ok) throw new Error(`Failed to check status: ${response.statusText}`);
  return await response.json();
}

async function finished(prompt) {
  let result = await generateImage(FACTS.key, prompt);
  while (result.status === "pending") {
    await new Promise((resolve) => setTimeout(resolve, 200));
    result = await checkImageStatus(FACTS.key, result.id);
  }
  return result;
}

const thrown = (work) =>
  work.then(
    () => "nothing was thrown",
    (error) => error.message,
  );

row("generate", "asynchronous: pending at first", async () => (await generateImage(FACTS.key, "a sunset")).status);
row("generate", "waited for", async () => (await generateImage(FACTS.key, "a sunset", { async: false })).status);
row("status", "polled until it is there", async () => {
  const result = await finished("a sunset");
  const answer = await fetch(result.url);
  return `${picture(Buffer.from(await answer.arrayBuffer()))}, ${result.metadata.model ? "by its model" : "by nobody"}`;
});
row("status", "an image that fails", async () => {
  const result = await finished("a sunset [sandbox:fail]");
  return `${result.status} ${result.error.code}`;
});
row("status", "an image that is not there", () => thrown(checkImageStatus(FACTS.key, "img_123")));
row("status", "a wrong key", () => thrown(checkImageStatus("your_api_key", "img_123")));
row("generate", "a wrong key", () => thrown(generateImage("your_api_key", "a sunset")));
row("generate", "no credits", () => thrown(generateImage(FACTS.poor, "a sunset")));
row("generate", "a blank prompt", () => thrown(generateImage(FACTS.key, " ")));

await main(process.versions.node);
