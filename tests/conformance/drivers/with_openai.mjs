// OpenAI's package for Node.js, with nothing changed but `baseURL` and the key.

import { createReadStream, readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";
import { VERSION } from "openai/version";
import { FACTS, main, picture, row } from "./telling.mjs";

const as = (apiKey, options = {}) => new OpenAI({ apiKey, baseURL: `${FACTS.url}/v1`, maxRetries: 0, ...options });
const [rich, poor, reader, nobody] = [FACTS.key, FACTS.poor, FACTS.reader, "sk-of-another-site"].map((key) => as(key));
const prompt = "a lighthouse";
const file = () => createReadStream(FACTS.png);
const junk = () => toFile(Buffer.from("no picture"), "a.png", { type: "image/png" });

async function seen(image) {
  if (!image.url) return `${picture(Buffer.from(image.b64_json, "base64"))} in base64`;
  const answer = await fetch(image.url);
  return `${picture(Buffer.from(await answer.arrayBuffer()))} by url`;
}

const first = async (work) => await seen((await work).data[0]);
const generated = (options = {}, client = rich) => client.images.generate({ prompt, ...options });

async function thrown(work) {
  try {
    return `nothing was thrown: ${JSON.stringify(await work())}`;
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param].filter((word) => word).join(" ");
  }
}

async function events(work) {
  const found = [];
  for await (const event of await work) found.push(event);
  const last = found.at(-1);
  return `${found.map((event) => event.type).join(", ")}: ${picture(Buffer.from(last.b64_json, "base64"))}`;
}

const drained = async (work) => {
  for await (const event of await work) if (event.type === "error") return event;
  return "it ended";
};

row("images.generate", "no model named", () => first(generated()));
row("images.generate", "model gpt-image-1", () => first(generated({ model: "gpt-image-1" })));
row("images.generate", "model dall-e-3", () => first(generated({ model: "dall-e-3" })));
row("images.generate", "response_format b64_json", () => first(generated({ response_format: "b64_json" })));
row("images.generate", "n 2", async () => `${(await generated({ n: 2 })).data.length} images`);
row("images.generate", "size 1536x1024", () => first(generated({ size: "1536x1024" })));
row("images.generate", "size auto, quality high", () => first(generated({ size: "auto", quality: "high" })));
row("images.generate", "output_format jpeg", () => first(generated({ output_format: "jpeg" })));
row("images.generate", "background transparent", () => thrown(() => generated({ background: "transparent" })));
row("images.generate", "the same Idempotency-Key twice", async () => {
  const options = { headers: { "Idempotency-Key": crypto.randomUUID() } };
  const urls = [];
  for (let time = 0; time < 2; time++) urls.push((await rich.images.generate({ prompt }, options)).data[0].url);
  return `${new Set(urls).size} image`;
});
row("images.generate", "stream", () => events(generated({ model: "gpt-image-1", stream: true })));
row("images.generate", "stream with partial_images 1", () =>
  events(generated({ model: "gpt-image-1", stream: true, partial_images: 1 })),
);
row("images.generate", "stream of a refused prompt", () =>
  thrown(() => drained(generated({ prompt: `${prompt} [sandbox:refuse]`, model: "gpt-image-1", stream: true }))),
);
row("images.generate", "a refused prompt", () => thrown(() => generated({ prompt: `${prompt} [sandbox:refuse]` })));
row("images.generate", "an image that fails", () => thrown(() => generated({ prompt: `${prompt} [sandbox:fail]` })));
row("images.generate", "a wrong key", () => thrown(() => generated({}, nobody)));
row("images.generate", "a key that may not", () => thrown(() => generated({}, reader)));
row("images.generate", "no credits", () => thrown(() => generated({}, poor)));
row("images.generate", "too many requests", async () => {
  const slow = as(FACTS.slow);
  await generated({}, slow);
  return await thrown(() => generated({}, slow));
});
row("images.generate", "too many at once, tried again by the client", async () => {
  const patient = as(FACTS.narrow, { maxRetries: 20 });
  const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => generated({ prompt: `${prompt} ${at}` }, patient)));
  return `${new Set(answers.map((answer) => answer.data[0].url)).size} images`;
});
row("images.generate", "a timeout", () =>
  thrown(() => generated({ prompt: `${prompt} [sandbox:never]` }, as(FACTS.key, { timeout: 1000 }))),
);
row("images.generate", "timeouts, tried again by the client", async () => {
  const hasty = as(FACTS.alone, { timeout: 3000, maxRetries: 30 });
  const before = await balance();
  const image = await first(generated({ prompt: `${prompt} [sandbox:slow-image]` }, hasty));
  return `${image}, ${before - (await balance())} credit paid`;
});
row("images.generate", "longer than the wait", () => thrown(() => generated({ prompt: `${prompt} [sandbox:never]` })));
row("images.generate", "a blank prompt", () => thrown(() => generated({ prompt: " " })));
row("images.generate", "a model that is not there", () => thrown(() => generated({ model: "no-such-model" })));
row("images.generate", "a body that is too large", () => thrown(() => generated({ prompt: "x".repeat(100_000) })));
row("images.edit", "a file", () => first(rich.images.edit({ image: file(), prompt: "make it night" })));
row("images.edit", "a file and a mask", () =>
  first(rich.images.edit({ image: file(), mask: createReadStream(FACTS.mask), prompt: "a hat", model: "gpt-image-1" })),
);
row("images.edit", "two files: a new image that goes by them", () =>
  first(rich.images.edit({ image: [file(), file()], prompt: "both", size: "1536x1024" })),
);
row("images.edit", "a buffer", async () =>
  first(
    rich.images.edit({ image: await toFile(readFileSync(FACTS.png), "a.png", { type: "image/png" }), prompt: "a hat" }),
  ),
);
row("images.edit", "stream", () =>
  events(rich.images.edit({ image: file(), prompt: "make it night", model: "gpt-image-1", stream: true })),
);
row("images.edit", "bytes that are no picture", () =>
  thrown(async () => rich.images.edit({ image: await junk(), prompt: "a hat" })),
);
row("images.edit", "no credits", () => thrown(() => poor.images.edit({ image: file(), prompt: "a hat" })));
row("models.list", "the list", async () => {
  const found = [];
  for await (const model of rich.models.list()) found.push(model.id);
  return found.join(", ");
});
row("models.list", "a wrong key", () => thrown(() => nobody.models.list()));
row("models.retrieve", "a model of the site’s own", async () => (await rich.models.retrieve("text2image_v1")).id);
row("models.retrieve", "a model that is not there", () => thrown(() => rich.models.retrieve("no-such-model")));
row("chat.completions.create", "is not offered", () =>
  thrown(() => rich.chat.completions.create({ model: "gpt-5", messages: [{ role: "user", content: "hello" }] })),
);

async function balance() {
  const answer = await fetch(`${FACTS.url}/api/misc/balance`, { headers: { Authorization: `Bearer ${FACTS.alone}` } });
  return (await answer.json()).new_balance;
}

await main(VERSION);
