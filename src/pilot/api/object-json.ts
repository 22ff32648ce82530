import { kindNamed, kindOf, parseApiVersion } from "#model/kinds.ts";
import type { ConfigObject } from "#model/object.ts";
import type { ObjectChange, Revision } from "../stores/store.ts";

export type Json = Readonly<Record<string, unknown>>;

/** An object as Kubernetes writes it. */
export function objectJson({ apiVersion, kind, metadata, spec, status }: ConfigObject): Json {
  const { name, namespace, labels, annotations, creationMs, resourceVersion, generation } =
    metadata;
  const { group } = parseApiVersion(apiVersion);
  const body = kindOf({ group, kind })?.body;
  const own = body !== undefined && "shape" in body && !body.inSpec;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(creationMs === 0 ? {} : { creationTimestamp: new Date(creationMs).toISOString() }),
      ...(resourceVersion === "" ? {} : { resourceVersion }),
      ...(generation === undefined ? {} : { generation }),
    },
    // What has no spec has its fields beside the metadata.
    ...(own ? (spec as Json) : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

export type ChangeAction = "created" | "configured" | "deleted";

export function actionOf({ before, after }: ObjectChange): ChangeAction {
  if (after === undefined) return "deleted";
  return before === undefined ? "created" : "configured";
}

export function changeJson(change: ObjectChange): Json {
  const { key, before, after } = change;
  return {
    key,
    action: actionOf(change),
    ...(before === undefined ? {} : { before: objectJson(before) }),
    ...(after === undefined ? {} : { after: objectJson(after) }),
  };
}

export function revisionJson({ number, author, message, timeMs, changes }: Revision): Json {
  return {
    revision: number,
    author,
    message,
    time: new Date(timeMs).toISOString(),
    changes: changes.map(changeJson),
  };
}

/** `vs` → `VirtualService`; undefined: no such kind. */
export function kindWord(word: string): string | undefined {
  return kindNamed(word)?.kind;
}
