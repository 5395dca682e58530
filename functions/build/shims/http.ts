/**
 * Replaces Node's HTTP client, which the SDK loads for another engine. Importing the module reads all its exports, including
 * WebSocket, and so loads as much code as everything else together.
 */

const http = process.getBuiltinModule("node:http");

/** Used parts of the module. */
export const { Agent, request } = http;
