/**
 * Requests and responses in as few words as an app reads of them. Node loads its own at their first use, which takes a third
 * as long as everything else a function loads (docs/performance.md); these take nothing.
 */

/** Headers with names in lower case. */
export class PlainHeaders implements Iterable<[string, string]> {
  readonly #values: Map<string, string>;

  constructor(given: Iterable<readonly [string, string]> = []) {
    this.#values = new Map([...given].map(([name, value]) => [name.toLowerCase(), value]));
  }

  /** A header's value; null where it is not there. */
  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  /** Whether a header is there. */
  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  /** Every header in the order it was given. */
  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#values[Symbol.iterator]();
  }
}

/** A request whose body is there as a whole. */
export class PlainRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: PlainHeaders;
  readonly body: AsyncIterable<Uint8Array> | null;

  constructor(
    url: string,
    { method, headers, body }: { method: string; headers: PlainHeaders; body: Uint8Array | undefined },
  ) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.body = body === undefined ? null : once(body);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A response whose body is there as a whole. What makes a platform's response of it finds what it needs. */
export class MinimalResponse {
  readonly status: number;
  readonly headers: PlainHeaders;
  readonly body: Buffer<ArrayBuffer> | null;

  constructor(
    body: Buffer<ArrayBuffer> | null,
    { status, headers }: { status: number; headers: Record<string, string> },
  ) {
    this.status = status;
    this.headers = new PlainHeaders(Object.entries(headers));
    this.body = body;
  }
}
