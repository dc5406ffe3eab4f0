// Looks at the panel of a fresh box in combinations of page, state, language, scheme, width and scripts, so
// that each two values of different kinds meet at least once.
//
//   node pairs.mjs
//
// Expects DORA and DORA_CLAIM (panel and claim secret) and FOLDER in the environment. The combinations are
// the same every time. The last line says how many there were.

import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Watch, ensure, look } from './checks.mjs'

const env = name => process.env[name] ?? ''
const base = env('DORA').replace(/\/$/, '')
const PASSPHRASE = 'seven lanterns by the river'

// In the order in which a box comes through them.
const STATES = ['claimed', 'drafted', 'waiting', 'kept', 'undone']
const OWN = [
  '/overview', '/wifi', '/internet', '/lan', '/clients', '/firewall', '/mesh', '/aim', '/changes', '/backup',
  '/health', '/logs', '/setup/mesh?listen=no', '/setup/internet?listen=no', '/setup/wifi', '/setup/place', '/setup/review',
  '/wifi/poster?of=household', '/board', '/files', '/peers', '/people', '/activity', '/account', '/about', '/help/network',
  '/nowhere'
]
const OPEN = ['/', '/claim', '/login', '/help', '/about', '/nowhere']
const TASTES = { language: ['en', 'de'], scheme: ['light', 'dark'], width: [320, 360, 768, 1280], scripts: [true, false] }

// Rows in which each two values of different kinds meet, by taking the value that meets most of those it
// has not met yet; ties go in turn.
export function combinations (kinds) {
  const names = Object.keys(kinds)
  const sizes = names.map(name => kinds[name].length)
  const key = (i, x, j, y) => i < j ? `${i} ${x} ${j} ${y}` : `${j} ${y} ${i} ${x}`
  const each = tell => names.forEach((_, j) => names.slice(0, j).forEach((_, i) => tell(i, j)))
  const open = new Set()
  each((i, j) => {
    for (let x = 0; x < sizes[i]; x++) for (let y = 0; y < sizes[j]; y++) open.add(key(i, x, j, y))
  })
  const rows = []
  while (open.size > 0) {
    const [first] = open
    const [i, x, j, y] = first.split(' ').map(Number)
    const row = { [i]: x, [j]: y }
    const meets = (k, z) => Object.keys(row).filter(l => open.has(key(k, z, Number(l), row[l]))).length
    names.forEach((_, k) => {
      if (k in row) return
      const turned = Array.from({ length: sizes[k] }, (_, z) => (z + rows.length) % sizes[k])
      row[k] = turned.reduce((best, z) => meets(k, z) > meets(k, best) ? z : best)
    })
    each((i, j) => open.delete(key(i, row[i], j, row[j])))
    rows.push(row)
  }
  return rows.map(row => Object.fromEntries(names.map((name, k) => [name, kinds[name][row[k]]])))
}

// That it covers all pairs is checked here, since everything rests on it.
function checked (kinds) {
  const rows = combinations(kinds)
  const names = Object.keys(kinds)
  names.forEach((a, i) => names.slice(i + 1).forEach(b => {
    for (const x of kinds[a]) {
      for (const y of kinds[b]) ensure(rows.some(row => row[a] === x && row[b] === y), `${a} ${x} never meets ${b} ${y}`)
    }
  }))
  return rows
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

// Looks at all rows with the cookies of `storageState`; those that taste alike share a window.
async function lookAt (rows, storageState) {
  const alike = new Map()
  for (const row of rows) {
    const taste = JSON.stringify([row.language, row.scheme, row.width, row.scripts])
    alike.set(taste, [...alike.get(taste) ?? [], row])
  }
  for (const [taste, group] of alike) {
    const [locale, colorScheme, width, scripts] = JSON.parse(taste)
    const context = await browser.newContext({
      baseURL: base, storageState, colorScheme, locale, viewport: { width, height: 800 }, reducedMotion: 'reduce'
    })
    // axe is a script itself; so without scripts means here that ours never arrives.
    if (!scripts) await context.route('**/*.js*', route => route.abort('failed'))
    const page = await context.newPage()
    const watch = new Watch(page, base)
    for (const row of group) {
      const where = `${row.page} ${row.state ?? 'unclaimed'} in ${locale}, ${colorScheme}, ${width} px, ${scripts ? '' : 'no '}scripts`
      await look(page, await page.goto(row.page), where)
      const lang = await page.evaluate(() => document.documentElement.lang)
      ensure(lang === locale, `${where}: it speaks ${lang}`)
    }
    watch.check()
    await context.close()
  }
}

const owner = await browser.newContext({ baseURL: base, locale: 'en', viewport: { width: 360, height: 740 } })
owner.setDefaultTimeout(30_000)
const page = await owner.newPage()
const button = name => page.getByRole('main').getByRole('button', { name, exact: true })

const REACH = {
  async claimed () {
    await page.goto('/claim')
    await page.getByLabel('Claim secret').fill(env('DORA_CLAIM'))
    await page.getByLabel('Your name').fill('Dora')
    await page.getByLabel('The name of the box').fill('Dora’s box')
    await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE)
    await button('Claim this box').click()
    await page.getByRole('link', { name: 'Set up the network' }).waitFor()
  },
  async drafted () {
    await page.goto('/setup/wifi')
    await page.getByLabel('Its name').first().fill('Dora at home')
    await button('Next').click()
    await page.waitForURL('**/setup/place')
  },
  async waiting () {
    await page.goto('/changes')
    await page.getByLabel('Take it back by itself').selectOption('600')
    await button('Apply').click()
    await button('Keep').waitFor()
  },
  async kept () {
    await button('Keep').click()
    await page.getByRole('status').filter({ hasText: 'Kept.' }).waitFor()
  },
  async undone () {
    await page.goto('/setup/wifi')
    await page.getByLabel('Its name').first().fill('Dora elsewhere')
    await button('Next').click()
    await page.waitForURL('**/setup/place')
    await page.goto('/changes')
    await button('Apply').click()
    await button('Undo now').click()
    await page.getByText('The last change was taken back').waitFor()
  }
}

try {
  const visitors = checked({ page: OPEN, ...TASTES })
  await lookAt(visitors, undefined)
  const rows = checked({ page: OWN, state: STATES, ...TASTES })
  for (const state of STATES) {
    await REACH[state]()
    await lookAt(rows.filter(row => row.state === state), await owner.storageState())
    console.log(`  pairs: ${state} looked at`)
  }
  console.log(`${visitors.length + rows.length} combinations of page, state, language, scheme, width and scripts without a fault`)
} catch (error) {
  console.log(`FAILED: ${error.message.split('\n').join(' ')}`)
  await page.screenshot({ path: join(env('FOLDER'), 'dora.png') }).catch(() => {})
  process.exitCode = 1
} finally {
  await browser.close()
}
