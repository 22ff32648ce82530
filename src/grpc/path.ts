/** What a gRPC path names. */
export interface GrpcMethodName {
  /** With its package. */
  readonly service: string;
  readonly method: string;
}

/** `/package.Service/Method`, with or without a query; undefined when the path has another form. */
export function parseGrpcPath(path: string): GrpcMethodName | undefined {
  const query = path.indexOf("?");
  const plain = query === -1 ? path : path.slice(0, query);
  const slash = plain.indexOf("/", 1);
  if (plain.charCodeAt(0) !== 0x2f || slash <= 1 || slash === plain.length - 1) return undefined;
  if (plain.indexOf("/", slash + 1) !== -1) return undefined;
  return { service: plain.slice(1, slash), method: plain.slice(slash + 1) };
}
