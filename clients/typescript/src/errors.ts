/** Root of this package's errors. */
export class RevewebError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** No answer of the API came; `idempotencyKey` finds the image, if one was begun, when it is sent again. */
export class ConnectionFailed extends RevewebError {
  constructor(
    message: string,
    readonly idempotencyKey?: string,
  ) {
    super(message);
  }
}

/** The image `id` is not finished yet; `status` and `wait` go on with it. */
export class TookTooLong extends RevewebError {
  constructor(readonly id: string) {
    super(`${id} is not finished yet`);
  }
}

/** There will be no image of this `id`; its credits were returned. */
export class ImageFailed extends RevewebError {
  constructor(
    readonly id: string,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The prompt was refused, and will be again. */
export class PromptRefused extends ImageFailed {}

/** What the API says of an error. */
export interface Told {
  code?: string;
  message?: string;
  param?: string;
  image_id?: string;
}

/** The API refused a request; nothing was charged. `retryAfter` is in seconds, `requestId` is for support. */
export class ApiError extends RevewebError {
  readonly code: string;
  readonly param?: string;
  readonly imageId?: string;

  constructor(
    readonly status: number,
    told: Told,
    readonly retryAfter?: number,
    readonly requestId?: string,
  ) {
    super(`${told.code ?? "unknown"}: ${told.message ?? `The API answered with ${status}.`}`);
    this.code = told.code ?? "unknown";
    this.param = told.param;
    this.imageId = told.image_id;
  }
}

/** There is no key, or it does not work (401). */
export class WrongKey extends ApiError {}

/** The account's credits, or what the key may spend of them, do not cover it (402). */
export class InsufficientCredits extends ApiError {}

/** The key may not do this (403). */
export class NotAllowed extends ApiError {}

/** There is no such thing in the account (404). */
export class NotFound extends ApiError {}

/** There were too many requests, for longer than was to be waited (429). */
export class RateLimited extends ApiError {}

/** Something about the request is not as it should be (any other 4xx). */
export class InvalidRequest extends ApiError {}

/** The site could not do it, however often it was tried (5xx). */
export class Unavailable extends ApiError {}

const BY_STATUS = new Map([
  [401, WrongKey],
  [402, InsufficientCredits],
  [403, NotAllowed],
  [404, NotFound],
  [429, RateLimited],
]);

/** What an answer with this status, from 400 on, is thrown as. */
export function ofStatus(status: number): typeof ApiError {
  return BY_STATUS.get(status) ?? (status < 500 ? InvalidRequest : Unavailable);
}
