/** `node tools/list-supported.ts`: writes docs/reference/supported-fields.md from the modules' tables. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { supportedFields } from "../src/proxy/config/supported.ts";

const path = fileURLToPath(new URL("../docs/reference/supported-fields.md", import.meta.url));

const head = `# Supported fields

Made by \`node tools/list-supported.ts\` from the tables that the modules keep beside their code (\`supported.ts\`). A field that is
not here is refused with its place in the file; see [configuration](configuration.md).
`;

export function supportedFieldsPage(): string {
  const sections = [...supportedFields].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = sections.map(([type, fields]) => {
    const names = [...fields].sort().map((name) => `\`${name}\``);
    return `\n## ${type}\n\n${names.length === 0 ? "(has no fields that need support)" : names.join(", ")}\n`;
  });
  return head + lines.join("");
}

if (import.meta.main) writeFileSync(path, supportedFieldsPage());
