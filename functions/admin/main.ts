/** The operator's command: `npm run admin -- <command> …`, beside a running server or alone. */

import { runCommand } from "./run.ts";

// Leaving through exit takes the engine along that this command may have started.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

process.exitCode = await runCommand(process.argv.slice(2), {
  environment: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
