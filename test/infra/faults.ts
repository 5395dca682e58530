/** Faults as somebody could make them, each with what has to notice it. */

import type { expectations } from "./expectations.ts";
import type { Change } from "./graph.ts";

/** A fault. */
export interface Fault extends Change {
  noticed: keyof typeof expectations | "running the stacks";
}

const PERMISSIONS = "each function may do what its code does, and nothing else";
const ROLES = "roles are taken by the service alone";
const STREAM = "the stream wakes the reconciler for pointers with work, and gives up in good time";
const ALARMS = "an operator of a stage that lasts is woken for what is wrong, at one place";
const SCHEDULE = "schedules sweep every share every minute, and no call waits for another";
const DATA = "data outlive mistakes where they are anybody's";

/** Every fault by what it is. */
export const faults: Record<string, Fault> = {
  "a path left out": {
    file: "functions/api/route-groups.ts",
    from: /paths: \[[^\]]*\/upgrades`\]/,
    to: "paths: []",
    noticed: "every path leads to its function, and nothing else does",
  },
  "another variable name at a position": {
    file: "functions/api/route-groups.ts",
    from: /clusters\/\{environment\}\/move/,
    to: "clusters/{cluster}/move",
    noticed: "routes name the variable at each position the same, or the gateway rejects them",
  },
  "another name for a node pool": {
    file: "functions/api/route-groups.ts",
    from: /pools\/\{\w+\}`/,
    to: "pools/{other}`",
    noticed: "routes name the variable at each position the same, or the gateway rejects them",
  },
  "a role for schedules of every account": {
    file: "stacks/reconciler.ts",
    from: /Condition: .*/,
    to: "",
    noticed: "the scheduler takes its roles for schedules of this account only",
  },
  "a key of an index listed once more": {
    file: "stacks/table.ts",
    from: /projection: \[\.\.\.index\.include\]/,
    to: 'projection: ["sk", ...index.include]',
    noticed: "the table has the keys, indexes and time to live of its definition",
  },
  "a key of one region": {
    file: "stacks/key.ts",
    from: /multiRegion: true/,
    to: "multiRegion: false",
    noticed: "the key can be replicated to another region, which cannot be made up for later",
  },
  "throttling of indexes unseen": {
    file: "stacks/alarms.ts",
    from: /\.\.\.Object\.keys\(tableDefinition\.indexes\)\.map.*/,
    to: "",
    noticed: ALARMS,
  },
  "429s of functions counted as the gateway's": {
    file: "stacks/alarms.ts",
    from: / && \(\$\.integrationStatus = "-"\)/,
    to: "",
    noticed: ALARMS,
  },
  "crashes without an alarm": { file: "stacks/alarms.ts", from: /"Errors"/, to: '"Invocations"', noticed: ALARMS },
  "nothing for what has no function": {
    file: "stacks/api.ts",
    from: /api\.route\("\$default".*/,
    to: "",
    noticed: "every path leads to its function, and nothing else does",
  },
  "the table for whoever serves files": {
    file: "stacks/api.ts",
    from: /bundle: "default"/,
    to: 'grant: routeGroups.Health.grant, bundle: "default"',
    noticed: PERMISSIONS,
  },
  "a handler that is not there": {
    file: "stacks/reconciler.ts",
    from: /handler: "schedule"/,
    to: 'handler: "sweep"',
    noticed: "running the stacks",
  },
  "a bundle that is not there": {
    file: "stacks/reconciler.ts",
    from: /bundle: "reconcile"/,
    to: 'bundle: "nothing" as "reconcile"',
    noticed: "running the stacks",
  },
  "every action on the table": {
    file: "stacks/function.ts",
    from: /`dynamodb:\$\{action\}`/,
    to: '"dynamodb:*"',
    noticed: PERMISSIONS,
  },
  "every table": {
    file: "stacks/function.ts",
    from: /resources: \[table\.arn\]/,
    to: 'resources: ["*"]',
    noticed: PERMISSIONS,
  },
  "an action too few": {
    file: "functions/api/route-groups.ts",
    from: /, "ConditionCheckItem"\] as const/,
    to: "] as const",
    noticed: PERMISSIONS,
  },
  "the key without its context": {
    file: "stacks/function.ts",
    from: /conditions: \[.*\],\n/,
    to: "",
    noticed: PERMISSIONS,
  },
  "every stream": {
    file: "stacks/reconciler.ts",
    from: /resources: \[table\.nodes\.table\.streamArn\]/,
    to: 'resources: ["*"]',
    noticed: PERMISSIONS,
  },
  "roles for the whole account": {
    file: "stacks/function.ts",
    from: /args\.assumeRolePolicy = .*;/,
    to: "",
    noticed: ROLES,
  },
  "the logs of all functions": {
    file: "stacks/function.ts",
    from: /args\.managedPolicyArns = .*;/,
    to: "",
    noticed: ROLES,
  },
  "secrets for every function": {
    file: "stacks/function.ts",
    from: /environment: \$output\(\{/,
    to: "environment: $output({ OIDC_ISSUER_URL: settings.oidcIssuerUrl,",
    noticed: "functions know what they work with, and nobody but the reconciler the token",
  },
  "a function slower than the gateway": {
    file: "stacks/api.ts",
    from: /"29 seconds"/,
    to: '"30 seconds"',
    noticed: "functions of the API answer before the gateway does",
  },
  "another processor": {
    file: "stacks/function.ts",
    from: /"arm64"/,
    to: '"x86_64"',
    noticed: "functions run on Node 24 and arm64, with explicit memory",
  },
  "logs for ever": {
    file: "stacks/function.ts",
    from: /, retentionInDays: stage\.logDays/,
    to: "",
    noticed: "logs are JSON, and kept as long as the stage says",
  },
  "logs as text": {
    file: "stacks/function.ts",
    from: /format: "json"/,
    to: 'format: "text"',
    noticed: "logs are JSON, and kept as long as the stage says",
  },
  "no time to live": {
    file: "stacks/table.ts",
    from: /^ {4}ttl,\n/m,
    to: "",
    noticed: "the table has the keys, indexes and time to live of its definition",
  },
  "a table that anybody deletes": {
    file: "stacks/table.ts",
    from: /deletionProtection: .*/,
    to: "",
    noticed: DATA,
  },
  "production without protection": {
    file: "sst.config.ts",
    from: /protect: .*/,
    to: "protect: false,",
    noticed: DATA,
  },
  "production removed with its stack": {
    file: "sst.config.ts",
    from: /removal: .*/,
    to: 'removal: "remove",',
    noticed: DATA,
  },
  "a key that goes with its stack": {
    file: "stacks/key.ts",
    from: /\{ protect: isKept, retainOnDelete: isKept \}/,
    to: "{}",
    noticed: DATA,
  },
  "the same key for ever": {
    file: "stacks/key.ts",
    from: /enableKeyRotation: true/,
    to: "enableKeyRotation: false",
    noticed: "the key gets new material every year",
  },
  "no limit to requests": {
    file: "stacks/api.ts",
    from: /args\.defaultRouteSettings = /,
    to: "const ignored = ",
    noticed: "the gateway limits what comes in, and leaves CORS to the functions",
  },
  "CORS by the gateway": {
    file: "stacks/api.ts",
    from: /args\.corsConfiguration = undefined;/,
    to: "",
    noticed: "the gateway limits what comes in, and leaves CORS to the functions",
  },
  "what callers write in the access log": {
    file: "stacks/api.ts",
    from: /'"time"/,
    to: `'"userAgent":"$context.identity.userAgent"', '"time"`,
    noticed: "every request is logged as JSON with its id, and with nothing a caller writes",
  },
  "every record wakes": {
    file: "stacks/reconciler.ts",
    from: /filters: \[STREAM_FILTER\],/,
    to: "",
    noticed: STREAM,
  },
  "a batch fails as a whole": {
    file: "stacks/reconciler.ts",
    from: /args\.functionResponseTypes = .*;/,
    to: "",
    noticed: STREAM,
  },
  "retries without an end": {
    file: "stacks/reconciler.ts",
    from: /args\.maximumRetryAttempts = .*;/,
    to: "",
    noticed: STREAM,
  },
  "letters that die unread": {
    file: "stacks/reconciler.ts",
    from: /args\.destinationConfig = .*;/,
    to: "",
    noticed: STREAM,
  },
  "records before the deployment left out": {
    file: "stacks/reconciler.ts",
    from: /args\.startingPosition = .*;/,
    to: "",
    noticed: STREAM,
  },
  "a sweep every hour": {
    file: "stacks/reconciler.ts",
    from: /cron\(\* \* \* \* \? \*\)/,
    to: "rate(1 hour)",
    noticed: SCHEDULE,
  },
  "a share that no schedule sweeps": {
    file: "functions/reconciler/invocations.ts",
    from: /\{ length: count \}/,
    to: "{ length: count - 1 }",
    noticed: SCHEDULE,
  },
  "less concurrency than the stream has batches": {
    file: "stacks/reconciler.ts",
    from: /reserved\(streamInvocations\.reservedConcurrency\)/,
    to: "reserved(10)",
    noticed: "the reconciler has its own share of concurrency where the stage lasts",
  },
  "an alarm that nobody hears": { file: "stacks/alarms.ts", from: /alarmActions: .*/, to: "", noticed: ALARMS },
  "an alarm left out": { file: "stacks/alarms.ts", from: /"StreamBehind"/, to: '"DeadLetters2"', noticed: ALARMS },
  "silence taken for peace": { file: "stacks/alarms.ts", from: /missing: "breaching",\n/, to: "", noticed: ALARMS },
  "the whole region's throttles": {
    file: "stacks/alarms.ts",
    from: /\{ FunctionName \}, "Sum"/,
    to: '{}, "Sum"',
    noticed: ALARMS,
  },
  "sweeps that queue up": { file: "stacks/reconciler.ts", from: /once: true,/, to: "", noticed: SCHEDULE },
  "a service that the deployment roles may not use": {
    file: "stacks/alarms.ts",
    from: /const topic = new aws\.sns\.Topic\("Alarms", /,
    to: 'new aws.glacier.Vault("Vault", {}); const topic = new aws.sns.Topic("Alarms", ',
    noticed: "docs/stages.md gives the deployment roles every service that the stacks use",
  },
  "names that do not differ by stage": {
    file: "stacks/reconciler.ts",
    from: /\$\{\$app\.name\}-\$\{stage\.name\}-dead-letters/,
    to: "dead-letters",
    noticed: "what is of a stage carries its name",
  },
  "a key under another name": {
    file: "stacks/key.ts",
    from: /sst\.Linkable\("SecretsKey"/,
    to: 'sst.Linkable("DataKeysKey"',
    noticed: "the operator's command finds table and key within sst shell",
  },
};
