import type { Json } from "./object-json.ts";

const json = (schema: Json): Json => ({ content: { "application/json": { schema } } });
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const texts: Json = { type: "array", items: { type: "string" } };

const problem = (description: string): Json => ({
  description,
  content: { "application/problem+json": { schema: ref("Problem") } },
});

const query = (name: string, description: string, type = "string"): Json => ({
  name,
  in: "query",
  description,
  schema: { type },
});

const inPath = (name: string, description: string): Json => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "string" },
});

const objectPath = [
  inPath("kind", "A kind, its plural or its short name"),
  inPath("namespace", "`-` for kinds without one"),
  inPath("name", "The object's name"),
];
const ifMatch: Json = {
  name: "If-Match",
  in: "header",
  description:
    "The resourceVersion that it must have now; `If-None-Match: *`: it must not be there",
  schema: { type: "string" },
};

const revisionAnswer = { "200": { description: "The revision", ...json(ref("Revision")) } };
const objectAnswer = {
  description: "The object; its ETag is its resourceVersion",
  ...json(ref("Object")),
};

const paths: Json = {
  "/api/v1/discovery": {
    get: {
      summary: "Where xDS is served",
      responses: {
        "200": {
          description: "The port, on the host that was asked",
          ...json({ type: "object", properties: { port: { type: "integer" } } }),
        },
        "503": problem("Not served yet"),
      },
    },
  },
  "/api/v1/workloads/{node}/{report}": {
    post: {
      summary: "What somebody beside a registered workload says of it",
      parameters: [
        inPath("node", "The proxy's node id"),
        inPath("report", "`leave` (nothing new for it), `healthy` or `unhealthy`"),
      ],
      responses: {
        "200": { description: "Noted", ...json({ type: "object" }) },
        "404": problem("No such proxy has registered itself"),
      },
    },
  },
  "/api/v1/objects": {
    get: {
      summary: "Objects of configuration",
      parameters: [
        query("kind", "VirtualService, virtualservices, vs"),
        query("namespace", "Only this one"),
        query("name", "Only this one"),
        query("labelSelector", "As kubectl's -l: `app=reviews,version!=v1`"),
      ],
      responses: {
        "200": { description: "A list", ...json(ref("List")) },
        "400": problem("A parameter is wrong"),
      },
    },
  },
  "/api/v1/objects/{kind}/{namespace}/{name}": {
    get: {
      summary: "One object",
      parameters: objectPath,
      responses: { "200": objectAnswer, "404": problem("It is not there") },
    },
    put: {
      summary: "Write one object",
      parameters: [...objectPath, ifMatch],
      requestBody: { required: true, ...json(ref("Object")) },
      responses: {
        "200": objectAnswer,
        "201": objectAnswer,
        "409": problem("Somebody else has changed it meanwhile"),
        "422": problem("It is not valid; every problem is named"),
      },
    },
    delete: {
      summary: "Delete one object",
      parameters: [...objectPath, ifMatch, query("author", "Who does it")],
      responses: {
        ...revisionAnswer,
        "404": problem("It is not there"),
        "409": problem("It has changed meanwhile"),
      },
    },
  },
  "/api/v1/apply": {
    post: {
      summary: "Write all objects of some files, or none",
      requestBody: { required: true, ...json(ref("Apply")) },
      responses: {
        ...revisionAnswer,
        "422": problem("A file is not valid; every problem is named"),
      },
    },
  },
  "/api/v1/delete": {
    post: {
      summary: "Delete several objects at once",
      requestBody: { required: true, ...json(ref("Delete")) },
      responses: { ...revisionAnswer, "404": problem("One of them is not there") },
    },
  },
  "/api/v1/revisions": {
    get: {
      summary: "What was changed, by whom and when; the newest first",
      parameters: [
        query("limit", "20 by default", "integer"),
        query("object", "Only changes of kind/namespace/name"),
      ],
      responses: {
        "200": {
          description: "A list",
          ...json({
            type: "object",
            properties: { items: { type: "array", items: ref("Revision") } },
          }),
        },
      },
    },
  },
  "/api/v1/revisions/{revision}": {
    get: {
      summary: "One revision, with every object before and after",
      parameters: [inPath("revision", "A number, or `latest`")],
      responses: { ...revisionAnswer, "404": problem("It is not there, or forgotten") },
    },
  },
  "/api/v1/revisions/{revision}/undo": {
    post: {
      summary: "Take a revision back",
      parameters: [inPath("revision", "A number, or `latest`")],
      requestBody: {
        required: true,
        ...json({
          type: "object",
          properties: { author: { type: "string" }, dryRun: { type: "boolean" } },
        }),
      },
      responses: { ...revisionAnswer, "409": problem("One of its objects was changed since") },
    },
  },
  "/api/v1/revisions/{revision}/acknowledgement": {
    get: {
      summary: "Wait until every proxy that a revision concerns has taken it or refused it",
      parameters: [
        inPath("revision", "A number, or `latest`"),
        query("timeout", "Seconds; 30 by default, 300 at most", "number"),
      ],
      responses: {
        "200": { description: "How far the proxies are", ...json(ref("Acknowledgement")) },
      },
    },
  },
  "/api/v1/watch": {
    get: {
      summary: "Each revision as a server-sent event",
      parameters: [query("from", "Those after this revision first", "integer")],
      responses: {
        "200": { description: "Events named `revision`", content: { "text/event-stream": {} } },
        "410": problem("That far back is forgotten: list the objects again"),
      },
    },
  },
  "/api/v1/kinds": {
    get: {
      summary: "The kinds of objects",
      responses: { "200": { description: "A list", ...json({ type: "object" }) } },
    },
  },
};

const text: Json = { type: "string" };

const schemas: Json = {
  Object: {
    type: "object",
    required: ["apiVersion", "kind", "metadata"],
    properties: {
      apiVersion: text,
      kind: text,
      metadata: {
        type: "object",
        required: ["name"],
        properties: {
          name: text,
          namespace: text,
          labels: { type: "object" },
          annotations: { type: "object" },
          resourceVersion: text,
        },
      },
      spec: { type: "object" },
    },
  },
  List: { type: "object", properties: { items: { type: "array", items: ref("Object") } } },
  Apply: {
    type: "object",
    required: ["files"],
    properties: {
      files: {
        type: "array",
        items: { type: "object", required: ["name", "text"], properties: { name: text, text } },
      },
      namespace: { ...text, description: "Of objects that name none" },
      author: text,
      message: text,
      dryRun: { type: "boolean" },
      prune: { type: "boolean", description: "Delete what is in none of the files" },
    },
  },
  Delete: {
    type: "object",
    required: ["keys"],
    properties: {
      keys: { ...texts, description: "kind/namespace/name" },
      author: text,
      message: text,
      ignoreMissing: { type: "boolean" },
    },
  },
  Change: {
    type: "object",
    properties: {
      key: text,
      action: { enum: ["created", "configured", "deleted"] },
      before: ref("Object"),
      after: ref("Object"),
    },
  },
  Revision: {
    type: "object",
    properties: {
      revision: { type: "integer" },
      author: text,
      message: text,
      time: text,
      changes: { type: "array", items: ref("Change") },
      unchanged: texts,
      warnings: texts,
    },
  },
  Acknowledgement: {
    type: "object",
    properties: {
      revision: { type: "integer" },
      acked: texts,
      pending: texts,
      refused: {
        type: "array",
        items: { type: "object", properties: { proxy: text, type: text, detail: text } },
      },
    },
  },
  Problem: {
    type: "object",
    properties: {
      status: { type: "integer" },
      title: text,
      problems: { ...texts, description: "file:line:column kind/namespace/name field: problem" },
    },
  },
};

/** OpenAPI 3.1 of everything that ConfigApi answers. */
export function openApi(version: string): Json {
  return {
    openapi: "3.1.0",
    info: { title: "Heddle Pilot", version },
    paths,
    components: { schemas },
  };
}
