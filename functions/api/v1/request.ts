/** Decoders that several operations of `/api/v1` share. */

import type { NoOptions, WriteOptions } from "#core/context.ts";
import type { PageOptions } from "#core/listing/page.ts";
import type { Parsed } from "#core/shared/validation.ts";
import type { ApiRequest } from "../../http/app.ts";
import { flag, type Parameter, parseQuery } from "../../http/query.ts";
import { parsePageQuery } from "./page.ts";

/** Parser of a filter: an empty value does not filter, as the API documentation says for its own filter. */
export const anyText: Parameter<string | undefined> = {
  defaultValue: undefined,
  parse: (text) => ({ value: text === "" ? undefined : text }),
};

/** Decodes the organisation in a path. */
export const organisationOf = ({ segment }: ApiRequest) => ({ organisation: segment("organisation") });

/** Decodes the environment in a path. */
export const environmentOf = (request: ApiRequest) => ({
  ...organisationOf(request),
  environment: request.segment("environment"),
});

/** Decodes the cluster in a path. */
export const clusterOf = (request: ApiRequest) => ({
  ...environmentOf(request),
  cluster: request.segment("cluster"),
});

/** Decodes the query of a read without parameters. */
export const noOptions = ({ query }: ApiRequest): { options: Parsed<NoOptions> } => ({
  options: parseQuery(query, {}),
});

/** Decodes the query of a write. `dryRun=true` makes all checks, returns the response and changes nothing. */
export const writeOptions = ({ query }: ApiRequest): { options: Parsed<WriteOptions> } => ({
  options: parseQuery(query, { dryRun: flag }),
});

/** Decodes the query of a write whose dry run can show the objects that the provisioner would make. */
export const manifestOptions = ({ query }: ApiRequest): { options: Parsed<WriteOptions> } => ({
  options: parseQuery(query, { dryRun: flag, includeManifests: flag }),
});

/** Decodes the query of a list whose only parameters are those of the page. */
export const pageOptions = (request: ApiRequest): { options: Parsed<PageOptions> } => ({
  options: parsePageQuery(request, {}),
});
