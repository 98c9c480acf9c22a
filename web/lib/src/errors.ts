/**
 * What kind of thing went wrong. The first ten come from the engine (see `Code` in crate/nomul/src/error.rs), the
 * rest from this package.
 */
export type ErrorCode =
  | "format"
  | "checksum"
  | "missing"
  | "unsupported"
  | "shape"
  | "value"
  | "capacity"
  | "input"
  | "not_ready"
  | "io"
  /** A request failed, or what came back is not the file that was asked for. */
  | "network"
  /** The model was disposed of, or its worker ended, while something still waited for it. */
  | "disposed"
  /** A fault in nomul itself. */
  | "internal";

/** Every error of nomul but an abort: a code for programs, one clear line for people. */
export class NomulError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "NomulError";
    this.code = code;
  }
}

/** A failure that may pass: the same request may succeed later. */
export class PassingError extends NomulError {
  /** The server asked to wait this long, in milliseconds. */
  readonly waitMs: number;

  constructor(code: ErrorCode, message: string, waitMs: number, options?: ErrorOptions) {
    super(code, message, options);
    this.waitMs = waitMs;
  }
}

/** An error as it travels between threads. */
export interface ErrorMessage {
  /** An error code, or `"abort"`. */
  code: ErrorCode | "abort";
  message: string;
  /** Of a {@link PassingError}. */
  waitMs?: number;
}

/** The error of an operation whose signal fired: always named `AbortError`. */
export function abortError(signal?: AbortSignal): Error {
  const reason: unknown = signal?.reason;
  if (reason instanceof Error && reason.name === "AbortError") return reason;
  return new DOMException("The operation was aborted", "AbortError");
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Makes an error fit to cross to another thread. */
export function packError(error: unknown): ErrorMessage {
  if (isAbort(error)) return { code: "abort", message: "The operation was aborted" };
  if (error instanceof PassingError) return { code: error.code, message: error.message, waitMs: error.waitMs };
  if (error instanceof NomulError) return { code: error.code, message: error.message };
  if (error instanceof Error) {
    // Errors of the engine are plain errors that carry a code; a trap of the engine carries none.
    const code = (error as { code?: unknown }).code;
    return isCode(code)
      ? { code, message: error.message }
      : { code: "internal", message: `${error.name}: ${error.message}` };
  }
  return { code: "internal", message: String(error) };
}

/** The other direction of {@link packError}. */
export function unpackError(error: ErrorMessage, signal?: AbortSignal): Error {
  const { code, message, waitMs } = error;
  if (code === "abort") return abortError(signal);
  return waitMs === undefined ? new NomulError(code, message) : new PassingError(code, message, waitMs);
}

const CODES: ReadonlySet<unknown> = new Set<ErrorCode>([
  "format",
  "checksum",
  "missing",
  "unsupported",
  "shape",
  "value",
  "capacity",
  "input",
  "not_ready",
  "io",
  "network",
  "disposed",
  "internal",
]);

export function isCode(code: unknown): code is ErrorCode {
  return CODES.has(code);
}
