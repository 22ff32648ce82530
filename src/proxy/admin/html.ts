const style = `:root{color-scheme:light dark;--line:#8884;--accent:#0b6e8c}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
h1{font-size:1.35rem;margin:0 0 1rem}h1 small{font-weight:400;opacity:.65}
table{border-collapse:collapse;width:100%}td,th{padding:.4rem .7rem;border-top:1px solid var(--line);text-align:left;vertical-align:top}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.name{overflow-wrap:anywhere}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
form{display:flex;flex-wrap:wrap;gap:.4rem .8rem;align-items:center;margin:0}
button,input,select{font:inherit}label{white-space:nowrap;font-size:.9em}
@media(prefers-color-scheme:dark){:root{--accent:#6cc6de}}`;

/** A whole page of the admin port. Nothing is fetched from elsewhere. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,"><style>${style}</style></head><body>
${body}
</body></html>
`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
