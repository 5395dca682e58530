/**
 * What stands in for the SDK's event streams, which no call of ours uses. They are loaded on demand, and a bundler that
 * keeps a module for that keeps everything below it whole.
 */

export {};
