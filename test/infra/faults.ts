/** Possible faults of the stacks, each with the expectation that must detect it. */

import type { expectations } from "./expectations.ts";
import type { Change } from "./graph.ts";

/** Planted fault. */
export interface Fault extends Change {
  noticed: keyof typeof expectations | "running the stacks";
  /** True if the stage has real clusters. */
  hasRealClusters?: boolean;
}

const PERMISSIONS = "each function has exactly the permissions that its code uses";
const ROLES = "only the intended service can assume a role";
const STREAM = "the stream triggers the reconciler for pointers with work, with limited retries";
const ALARMS = "all alarms of a lasting stage notify the operator through one topic";
const SCHEDULE = "schedules sweep every share every minute, and calls do not queue up";
const DATA = "data of a lasting stage are protected against mistakes";

/** Every fault by its name. */
export const faults: Record<string, Fault> = {
  "a missing path": {
    file: "functions/api/route-groups.ts",
    from: /toGateway\(path\)\)\)/,
    to: "toGateway(path))).slice(1)",
    noticed: "every path is routed to its function, and no other path is",
  },
  "another variable name at a position": {
    file: "functions/api/route-groups.ts",
    from: /toGateway\(path\)/,
    to: "path",
    noticed: "routes use one variable name per position, because the gateway rejects others",
  },
  "a role for schedules of every account": {
    file: "stacks/reconciler.ts",
    from: /Condition: .*/,
    to: "",
    noticed: "the scheduler can assume its roles only for schedules of this account",
  },
  "an index that lists a key twice": {
    file: "stacks/table.ts",
    from: /projection: \[\.\.\.index\.include\]/,
    to: 'projection: ["sk", ...index.include]',
    noticed: "the table has the keys, indexes and time to live of its definition",
  },
  "a key of one region": {
    file: "stacks/key.ts",
    from: /multiRegion: true/,
    to: "multiRegion: false",
    noticed: "the key is multi-Region, which cannot be changed later",
  },
  "throttling of indexes without an alarm": {
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
  "no function for unknown paths": {
    file: "stacks/api.ts",
    from: /api\.route\("\$default".*/,
    to: "",
    noticed: "every path is routed to its function, and no other path is",
  },
  "table access for the function that serves files": {
    file: "stacks/api.ts",
    from: /bundle: "default"/,
    to: 'grant: routeGroups.Health.grant, bundle: "default"',
    noticed: PERMISSIONS,
  },
  "a missing handler": {
    file: "stacks/reconciler.ts",
    from: /handler: "schedule"/,
    to: 'handler: "sweep"',
    noticed: "running the stacks",
  },
  "a missing bundle": {
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
  "a missing action": {
    file: "functions/api/routes/configurations.ts",
    from: /, "ConditionCheckItem"\]/,
    to: "]",
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
  "every secret of the account": {
    file: "stacks/kubeconfig.ts",
    from: /resources: \[secret\.arn\]/,
    to: 'resources: ["*"]',
    noticed: PERMISSIONS,
    hasRealClusters: true,
  },
  "the kubeconfig for one function of the reconciler only": {
    file: "stacks/reconciler.ts",
    from: /permissions: kubeconfig\?\.permissions \?\? \[\],/,
    to: "",
    noticed: PERMISSIONS,
    hasRealClusters: true,
  },
  "the kubeconfig in the environment of functions": {
    file: "stacks/kubeconfig.ts",
    from: /CLUSTER_API_KUBECONFIG_SECRET: secret\.arn/,
    to: "CLUSTER_API_KUBECONFIG_SECRET: given.value",
    noticed: "only the reconciler of a stage with real clusters finds the kubeconfig, in a secret with its value",
    hasRealClusters: true,
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
    noticed: "functions get their settings, and only the reconciler gets the token",
  },
  "a function slower than the gateway": {
    file: "stacks/api.ts",
    from: /"29 seconds"/,
    to: '"30 seconds"',
    noticed: "the timeout of API functions is shorter than the gateway's",
  },
  "another processor": {
    file: "stacks/function.ts",
    from: /"arm64"/,
    to: '"x86_64"',
    noticed: "functions run on Node 24 and arm64, with explicit memory",
  },
  "logs that are never deleted": {
    file: "stacks/function.ts",
    from: /, retentionInDays: stage\.logDays/,
    to: "",
    noticed: "logs are JSON, with the retention of the stage",
  },
  "logs as text": {
    file: "stacks/function.ts",
    from: /format: "json"/,
    to: 'format: "text"',
    noticed: "logs are JSON, with the retention of the stage",
  },
  "no time to live": {
    file: "stacks/table.ts",
    from: /^ {4}ttl,\n/m,
    to: "",
    noticed: "the table has the keys, indexes and time to live of its definition",
  },
  "a table without deletion protection": {
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
  "a key that is deleted with its stack": {
    file: "stacks/key.ts",
    from: /\{ protect: isProduction, retainOnDelete: isProduction \}/,
    to: "{}",
    noticed: DATA,
  },
  "a key without rotation": {
    file: "stacks/key.ts",
    from: /enableKeyRotation: true/,
    to: "enableKeyRotation: false",
    noticed: "the key is rotated every year",
  },
  "no request limit": {
    file: "stacks/api.ts",
    from: /args\.defaultRouteSettings = /,
    to: "const ignored = ",
    noticed: "the gateway limits requests, and leaves CORS to the functions",
  },
  "CORS by the gateway": {
    file: "stacks/api.ts",
    from: /args\.corsConfiguration = undefined;/,
    to: "",
    noticed: "the gateway limits requests, and leaves CORS to the functions",
  },
  "caller's text in the access log": {
    file: "stacks/api.ts",
    from: /'"time"/,
    to: `'"userAgent":"$context.identity.userAgent"', '"time"`,
    noticed: "every request is logged as JSON with its id, without text of the caller",
  },
  "a stream filter that passes every record": {
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
  "unlimited retries": {
    file: "stacks/reconciler.ts",
    from: /args\.maximumRetryAttempts = .*;/,
    to: "",
    noticed: STREAM,
  },
  "dead letters that expire unread": {
    file: "stacks/reconciler.ts",
    from: /args\.destinationConfig = .*;/,
    to: "",
    noticed: STREAM,
  },
  "skipped records from before the deployment": {
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
    noticed: "the reconciler of a lasting stage has reserved concurrency",
  },
  "an alarm without a receiver": { file: "stacks/alarms.ts", from: /alarmActions: .*/, to: "", noticed: ALARMS },
  "a missing alarm": { file: "stacks/alarms.ts", from: /"StreamBehind"/, to: '"DeadLetters2"', noticed: ALARMS },
  "missing data treated as good": {
    file: "stacks/alarms.ts",
    from: /missing: "breaching",\n/,
    to: "",
    noticed: ALARMS,
  },
  "throttles of the whole region": {
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
    noticed: "names of a stage's resources contain the stage's name",
  },
  "a key under another name": {
    file: "stacks/key.ts",
    from: /sst\.Linkable\("SecretsKey"/,
    to: 'sst.Linkable("DataKeysKey"',
    noticed: "the operator's command finds table and key within sst shell",
  },
};
