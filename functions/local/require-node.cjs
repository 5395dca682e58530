"use strict";
// CommonJS without any newer syntax: it has to run, and explain itself, on the Node that npm was started with.
var major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    "AME Clusters needs Node 24 or later, and this is Node " +
      process.versions.node +
      ".\n" +
      "On Linux (x64, arm64) `npm ci` installs Node 24 beside the project as an optional dependency; it is missing here:\n" +
      "run `npm ci` again without `--omit=optional`. On other systems install Node 24 yourself, then try again.\n",
  );
  process.exit(1);
}
