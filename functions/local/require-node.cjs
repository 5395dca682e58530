"use strict";
// CommonJS with old syntax only: it must run, and print its message, on every version of Node that npm may start.
var major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    "AME Clusters requires Node 24 or later; this is Node " +
      process.versions.node +
      ".\n" +
      "On Linux (x64, arm64) `npm ci` installs Node 24 as an optional dependency, which is missing here:\n" +
      "run `npm ci` again without `--omit=optional`. On other systems install Node 24, then try again.\n",
  );
  process.exit(1);
}
