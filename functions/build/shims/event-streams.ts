/**
 * Replaces the SDK's event streams, which no call uses. The SDK loads them dynamically, and a bundler keeps a dynamically loaded
 * module with everything that it imports.
 */

export {};
