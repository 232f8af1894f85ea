/** HTML and SVG as values: what comes from outside is escaped, unless it is markup already. */

export interface Markup {
  readonly markup: string;
}

type Part = Markup | string | number | undefined | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in quoted attributes; control characters, which HTML forbids, are dropped. */
export const escapeText = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that HTML forbids
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '').replace(/[&<>"']/g, (sign) => ESCAPES[sign]!);

const render = (part: Part): string => {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return `${part}`;
  return 'markup' in part ? part.markup : part.map(render).join('');
};

/**
 * Markup from a template: every value in it is escaped.
 *
 * @example
 * html`<b>${'a < b'}</b>`.markup // '<b>a &lt; b</b>'
 */
export const html = (texts: TemplateStringsArray, ...values: readonly Part[]): Markup => ({
  markup: texts.reduce((sum, text, i) => sum + render(values[i - 1]) + text),
});

/** Nothing. */
export const none: Markup = { markup: '' };
