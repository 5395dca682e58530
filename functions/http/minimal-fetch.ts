/**
 * Minimal requests and responses with the members that an app reads. Node loads its own classes at their first use, which takes a
 * third of the time of everything else that a function loads (docs/performance.md).
 */

/** Headers with names in lower case. */
export class MinimalHeaders implements Iterable<[string, string]> {
  readonly #values: Map<string, string>;

  constructor(given: Iterable<readonly [string, string]> = []) {
    this.#values = new Map([...given].map(([name, value]) => [name.toLowerCase(), value]));
  }

  /** Returns a header's value; null if there is none. */
  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  /** Returns whether there is a header. */
  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  /** Iterates over the headers in their order. */
  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#values[Symbol.iterator]();
  }
}

/** Request whose body is in memory. */
export class MinimalRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: MinimalHeaders;
  readonly body: AsyncIterable<Uint8Array> | null;

  constructor(
    url: string,
    { method, headers, body }: { method: string; headers: MinimalHeaders; body: Uint8Array | undefined },
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

/** Response whose body is in memory. It has the members that a conversion to a platform's response reads. */
export class MinimalResponse {
  readonly status: number;
  readonly headers: MinimalHeaders;
  readonly body: string | Buffer<ArrayBuffer> | null;

  constructor(
    body: string | Buffer<ArrayBuffer> | null,
    { status, headers }: { status: number; headers: Record<string, string> },
  ) {
    this.status = status;
    this.headers = new MinimalHeaders(Object.entries(headers));
    this.body = body;
  }
}
