import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./document.js";
import { ConnectionFailed, ImageFailed, ofStatus, PromptRefused, type Told, TookTooLong } from "./errors.js";

export type { components, paths } from "./document.js";
export * from "./errors.js";

type Schemas = components["schemas"];
export type GenerateOptions = Omit<Schemas["GenerateRequest"], "prompt" | "async" | "n" | "dry_run">;
export type EditOptions = Omit<Schemas["EditRequest"], "prompt" | "async" | "image" | "mask" | "n" | "dry_run">;
export type RemixOptions = Omit<Schemas["RemixRequest"], "prompt" | "async" | "images" | "n" | "dry_run">;
type Keyed = { idempotencyKey?: string };

const ANSWER_MS = 30_000;
const LONGEST_PAUSE_MS = 30_000;
const LONGEST_LOOK_MS = 8_000;

/** An image: pending, or completed with a `url` that needs no key. `body` is all that the API said of it. */
export class Image {
  readonly id: string;
  readonly status: string;
  readonly url?: string;

  constructor(
    readonly body: Record<string, unknown>,
    private readonly client: Reveweb,
  ) {
    this.id = String(body["id"]);
    this.status = String(body["status"]);
    this.url = body["url"] as string | undefined;
  }

  /** The image's file. Throws ConnectionFailed, and ApiError once it was deleted. */
  async read(): Promise<Uint8Array> {
    if (!this.url) throw new Error(`${this.id} is not finished yet`);
    return this.client.download(this.url);
  }
}

type Picture = Image | string;

/**
 * A site's API. `generate`, `edit` and `remix` wait for the image, and send again what is worth it with one
 * Idempotency-Key; `timeout` is how long one may take, in seconds.
 */
export class Reveweb {
  /** Every endpoint, typed by the API's document; it sends nothing again. */
  readonly raw: Client<paths>;
  private readonly timeoutMs: number;

  constructor(baseUrl: string, apiKey: string, options: { timeout?: number } = {}) {
    if (!baseUrl || !apiKey) throw new Error("Name the site's address and an API key.");
    this.timeoutMs = (options.timeout ?? 660) * 1000;
    this.raw = createClient<paths>({
      baseUrl: baseUrl.replace(/\/+$/, ""),
      headers: { Authorization: `Bearer ${apiKey}` },
    });
  }

  /** Draw what `prompt` says; a failure costs nothing. */
  async generate(prompt: string, options: GenerateOptions & Keyed = {}): Promise<Image> {
    return this.wait(await this.start(prompt, options));
  }

  /** Begin to draw, and return at once; `wait` and `status` follow it. */
  async start(prompt: string, { idempotencyKey, ...options }: GenerateOptions & Keyed = {}): Promise<Image> {
    const header = named(idempotencyKey);
    const body = { ...options, prompt, async: true };
    return this.begin(
      (signal) => this.raw.POST("/v1/reve-image/generate", { params: { header }, body, signal }),
      header["Idempotency-Key"],
    );
  }

  /** Change a picture (an Image, an id or an https address) as `prompt` says; only where `mask` is white, if there is one. */
  async edit(
    image: Picture,
    prompt: string,
    { idempotencyKey, mask, ...options }: EditOptions & Keyed & { mask?: Picture } = {},
  ): Promise<Image> {
    const header = named(idempotencyKey);
    const masked = mask ? { mask: idOf(mask) } : {};
    const body = { ...options, ...masked, image: idOf(image), prompt, async: true };
    const begun = await this.begin(
      (signal) => this.raw.POST("/v1/reve-image/edit", { params: { header }, body, signal }),
      header["Idempotency-Key"],
    );
    return this.wait(begun);
  }

  /** Draw a new image that goes by one to six pictures, as `edit` takes them. */
  async remix(
    images: Picture[],
    prompt: string,
    { idempotencyKey, ...options }: RemixOptions & Keyed = {},
  ): Promise<Image> {
    const header = named(idempotencyKey);
    const body = { ...options, images: images.map(idOf), prompt, async: true };
    const begun = await this.begin(
      (signal) => this.raw.POST("/v1/reve-image/remix", { params: { header }, body, signal }),
      header["Idempotency-Key"],
    );
    return this.wait(begun);
  }

  /** Look at an image once. Throws ImageFailed where there will be none. */
  async status(id: string): Promise<Image> {
    const params = { path: { image_id: id } };
    return this.begin((signal) => this.raw.GET("/v1/reve-image/status/{image_id}", { params, signal }));
  }

  /** Return an image once it is finished. Throws ImageFailed, TookTooLong after `timeout` seconds. */
  async wait(image: Picture, timeout = this.timeoutMs / 1000): Promise<Image> {
    const until = Date.now() + timeout * 1000;
    let found = image instanceof Image ? image : await this.status(image);
    for (let pause = 500; found.status !== "completed"; pause = Math.min(LONGEST_LOOK_MS, pause * 1.5)) {
      if (Date.now() + pause > until) throw new TookTooLong(found.id);
      await sleep(pause);
      found = await this.status(found.id);
    }
    return found;
  }

  /** The models that can be chosen, with what they do and cost. */
  async models(): Promise<Schemas["Model"][]> {
    const body = await this.answered((signal) => this.raw.GET("/v1/models", { signal }));
    return body["data"] as Schemas["Model"][];
  }

  /** The file at an image's address; the key is not sent along. */
  async download(url: string): Promise<Uint8Array> {
    let file = new Uint8Array();
    await this.answered(async (signal) => {
      const response = await fetch(url, { signal });
      if (response.ok) file = new Uint8Array(await response.arrayBuffer());
      return { data: {}, response };
    });
    return file;
  }

  private async begin(send: Sending, idempotencyKey?: string): Promise<Image> {
    const body = await this.answered(send, idempotencyKey);
    if (body["status"] === "failed") {
      const { code, message } = body["error"] as { code: string; message: string };
      throw new (code === "prompt_refused" ? PromptRefused : ImageFailed)(String(body["id"]), code, message);
    }
    return new Image(body, this);
  }

  /** Send a request until its answer is one. */
  private async answered(send: Sending, idempotencyKey?: string): Promise<Body> {
    const until = Date.now() + this.timeoutMs;
    for (let pause = 1000; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
      let failed: Error;
      let wait = pause * (0.75 + Math.random() / 2);
      try {
        const { data, error, response } = await send(AbortSignal.timeout(ANSWER_MS));
        const body = (data ?? error) as unknown;
        if (isBody(body) && (response.ok || ("id" in body && "status" in body))) return body;
        const told = isBody(body) ? (body["error"] as Told | undefined) : undefined;
        const after = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
        const seconds = Number.isNaN(after) ? undefined : after;
        const name = response.headers.get("X-Request-Id") ?? undefined;
        failed = new (ofStatus(response.status))(response.status, told ?? {}, seconds, name);
        if (response.status < 500 && ![408, 429].includes(response.status)) throw new Final(failed);
        if (seconds !== undefined) wait = seconds * 1000;
      } catch (error) {
        if (error instanceof Final) throw error.cause;
        failed = new ConnectionFailed(String(error), idempotencyKey);
      }
      if (Date.now() + wait > until) throw failed;
      await sleep(wait);
    }
  }
}

type Body = Record<string, unknown>;
type Sending = (signal: AbortSignal) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** What is not sent again. */
class Final extends Error {
  constructor(override readonly cause: Error) {
    super();
  }
}

function named(idempotencyKey?: string): { "Idempotency-Key": string } {
  return { "Idempotency-Key": idempotencyKey ?? crypto.randomUUID() };
}

function idOf(picture: Picture): string {
  return picture instanceof Image ? picture.id : picture;
}

function isBody(body: unknown): body is Body {
  return typeof body === "object" && body !== null;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
