// Asks a crossfade server for the positions of sessions, as a Node program does
// that has OpenFeature: the SDK, and its OFREP provider.
//
//	node ofrep.js KEYS.JS HASH.KEY BASE-URL TOKEN-FILE < ids
//
// Each line of standard input is an id in base64; each line that is printed is
// the targeting key, the position, its reason and the epoch. KEYS.JS is the
// function of docs/flags.md.
'use strict';

const fs = require('node:fs');
const { OpenFeature } = require('@openfeature/server-sdk');
const { OFREPProvider } = require('@openfeature/ofrep-provider');

const [keys, keyFile, baseUrl, tokenFile] = process.argv.slice(2);
const { targetingKey } = require(keys);
const atOnce = 32;

async function main() {
  const token = fs.readFileSync(tokenFile, 'utf8').trim();
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: [['Authorization', `Bearer ${token}`]] }));
  const client = OpenFeature.getClient();
  const ids = fs.readFileSync(0, 'utf8').split('\n').slice(0, -1).map((line) => Buffer.from(line, 'base64'));
  for (let i = 0; i < ids.length; i += atOnce) {
    const lines = await Promise.all(ids.slice(i, i + atOnce).map(async (id) => {
      const key = targetingKey(keyFile, id);
      const d = await client.getStringDetails('crossfade-stage', 'none', { targetingKey: key });
      if (d.errorCode) throw new Error(`${d.errorCode}: ${d.errorMessage}`);
      return `${key} ${d.value} ${d.reason} ${d.flagMetadata.epoch}`;
    }));
    process.stdout.write(lines.join('\n') + '\n');
  }
  // What is no hash is refused, and the program's own default counts.
  const bad = await client.getStringDetails('crossfade-stage', 'none', { targetingKey: 'a-session-id' });
  const missing = await client.getStringDetails('crossfade-stage', 'none', {});
  const other = await client.getStringDetails('another-flag', 'none', { targetingKey: '0'.repeat(32) });
  for (const d of [bad, missing, other]) process.stdout.write(`${d.value} ${d.errorCode}\n`);
}

main().catch((e) => { console.error(e); process.exit(1); });
