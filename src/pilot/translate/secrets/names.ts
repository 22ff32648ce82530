/** Names of secrets in SDS: what a listener asks for and what is served agree on. */

const kubernetesPrefix = "kubernetes://";
const caSuffix = "-cacert";

/** A certificate and its key, from a Secret of the gateway's namespace. */
export function kubernetesSecretName(credential: string): string {
  return credential.startsWith(kubernetesPrefix) ? credential : `${kubernetesPrefix}${credential}`;
}

/** The authority whose clients are trusted: a Secret of that name, or what the credential's own Secret holds besides. */
export function caSecretName(credential: string): string {
  const name = kubernetesSecretName(credential);
  return name.endsWith(caSuffix) ? name : `${name}${caSuffix}`;
}

export interface SecretReference {
  /** Of the Kubernetes Secret; an authority's has its suffix. */
  readonly name: string;
  readonly namespace: string;
  /** Without the suffix: where an authority is looked for, too. Undefined: not an authority. */
  readonly caOf: string | undefined;
}

/** Undefined: not a Secret that this proxy may have. One of another namespace is none of its business. */
export function parseSecretName(text: string, namespace: string): SecretReference | undefined {
  if (!text.startsWith(kubernetesPrefix)) return undefined;
  const path = text.slice(kubernetesPrefix.length);
  const [first = "", second, ...rest] = path.split("/");
  if (rest.length > 0 || (second !== undefined && first !== namespace)) return undefined;
  const name = second ?? first;
  if (name === "") return undefined;
  return {
    name,
    namespace,
    caOf: name.endsWith(caSuffix) ? name.slice(0, -caSuffix.length) : undefined,
  };
}
