/** What stands in a folder of configuration and is something else: a project, its tests, hidden files. */
const others = /^(?:\..*|heddle\.ya?ml|.*\.heddle-test\.ya?ml)$/i;

/** Whether a file of a folder, by its name, holds objects of configuration. */
export function holdsObjects(name: string): boolean {
  return /\.(?:ya?ml|json)$/i.test(name) && !others.test(name);
}
