/**
 * What stands in for Node's HTTP client, which the SDK loads for an engine of one's own: importing that looks at everything it
 * exports, WebSocket among it, and so loads as much as everything else together.
 */

const http = process.getBuiltinModule("node:http");

/** As much as the SDK uses of it. */
export const { Agent, request } = http;
