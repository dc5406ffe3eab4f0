// Sets up the network of a fresh box on a phone, as its owner would, and moves its address.
//
//   node router.mjs scripts|no-scripts
//
// The radios and ports are the simulated ones of a box that is tried out. Expects CARL and CARL_CLAIM
// (panel and claim secret) and FOLDER in the environment. Counts every press from the landing page to
// "Keep"; typing is not counted. The last line says what was seen.

import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Watch, ensure, sweep } from './checks.mjs'

const scripts = process.argv[2] !== 'no-scripts'
const env = name => process.env[name] ?? ''
const PASSPHRASE = 'seven lanterns by the river'
const MOST_PRESSES = 12
const PHONE = { width: 390, height: 844 }
const base = env('CARL').replace(/\/$/, '')
const PAGES = [
  '/overview', '/wifi', '/internet', '/lan', '/clients', '/firewall', '/mesh', '/aim', '/changes', '/health',
  '/logs', '/backup', '/setup/mesh', '/setup/internet', '/setup/wifi', '/setup/place', '/setup/review', '/wifi/poster?of=household'
]

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

async function person (address) {
  const context = await browser.newContext({
    baseURL: address, javaScriptEnabled: scripts, viewport: PHONE, locale: 'en'
  })
  context.setDefaultTimeout(30_000)
  const page = await context.newPage()
  return { base: address, context, page, watch: new Watch(page, address) }
}

function say (sentence) {
  console.log(`  ${scripts ? 'scripts' : 'no scripts'}: ${sentence}`)
}

let presses = 0

async function press (what) {
  presses++
  await what.click()
}

const main = page => page.getByRole('main')
const button = (page, name) => main(page).getByRole('button', { name, exact: true })

// Without scripts a page asks again by itself; a person may as well reload it.
async function comesBy (page, there) {
  const end = Date.now() + 60_000
  while (await there(page).count() === 0) {
    ensure(Date.now() < end, `it never came, at ${page.url()}: ${(await main(page).innerText()).slice(0, 300)}`)
    await page.waitForTimeout(300)
    await page.goto(page.url().split('?')[0])
  }
}

async function setUp ({ page }) {
  await page.goto('/')
  await press(main(page).getByRole('link', { name: 'Claim this box' }))
  await page.getByLabel('Claim secret').fill(env('CARL_CLAIM'))
  await page.getByLabel('Your name').fill('Carl')
  await page.getByLabel('The name of the box').fill('Carl’s box')
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE)
  await press(button(page, 'Claim this box'))
  await page.waitForURL('**/overview**')
  await comesBy(page, page => page.getByRole('link', { name: 'Set up the network' }))
  await press(page.getByRole('link', { name: 'Set up the network' }))
  // The box listens first; the page goes on by itself.
  await comesBy(page, page => page.getByLabel('Where the box stands'))
  await page.getByLabel('Where the box stands').selectOption('DE')
  presses++
  await ensure(await page.getByRole('radio', { name: /Join Valley Mesh/ }).isChecked(), 'the mesh in reach is not suggested')
  await page.getByLabel('Its secret, from a neighbour who is in it').fill('valley valley valley')
  await press(button(page, 'Next'))
  await page.waitForURL('**/setup/internet')
  await press(button(page, 'Next'))
  await page.waitForURL('**/setup/wifi')
  await page.getByLabel('Its name').first().fill('Carl at home')
  const secret = await page.getByLabel('Its passphrase').inputValue()
  ensure(secret.length >= 16, `a weak passphrase is suggested: ${secret}`)
  await press(button(page, 'Next'))
  await page.waitForURL('**/setup/place')
  await press(button(page, 'Next'))
  await page.waitForURL('**/setup/review')
  await press(button(page, 'Apply'))
  await page.waitForURL('**/changes')
  await comesBy(page, page => button(page, 'Keep'))
  await press(button(page, 'Keep'))
  await page.getByRole('status').filter({ hasText: 'Kept.' }).waitFor()
  ensure(presses <= MOST_PRESSES, `${presses} presses`)
}

async function note ({ page }, path, fill) {
  await page.goto(path)
  await fill(page)
  await page.getByRole('status').filter({ hasText: 'Noted as a draft' }).waitFor()
}

async function apply ({ page }) {
  await page.goto('/changes')
  await button(page, 'Apply').click()
  await page.waitForURL('**/changes')
}

// A change that nobody wants after all.
async function undo (who) {
  await note(who, '/wifi', async page => {
    await page.getByLabel('Its name').first().fill('Carl elsewhere')
    await main(page).locator('form[action="/wifi/network"]').first().getByRole('button', { name: 'Note it' }).click()
  })
  await apply(who)
  await comesBy(who.page, page => page.getByText(/seconds until everything is taken back/))
  await button(who.page, 'Two minutes more').click()
  await comesBy(who.page, page => button(page, 'Undo now'))
  await button(who.page, 'Undo now').click()
  await who.page.getByText('The last change was taken back').waitFor()
  // What was taken back is a draft again, for who wants to mend it.
  await button(who.page, 'Discard the draft').click()
  await who.page.goto('/wifi')
  const name = await who.page.getByLabel('Its name').first().inputValue()
  ensure(name === 'Carl at home', `the Wi-Fi is called ${name}`)
}

// The box's address changes: a browser without any cookie goes on by the link and keeps it.
async function move (who) {
  await note(who, '/lan', async page => {
    await page.getByLabel('The box’s address and the network’s size').first().fill('192.168.91.1/24')
    await main(page).locator('form[action="/lan"]').getByRole('button').click()
  })
  await apply(who)
  await comesBy(who.page, page => page.getByRole('link', { name: /Go on at/ }))
  const href = await who.page.getByRole('link', { name: /Go on at/ }).getAttribute('href')
  ensure(href.startsWith('http://192.168.91.1'), `the link leads to ${href}`)
  // The simulated address leads nowhere; the same box under another name is as strange to a browser.
  const there = new URL(href)
  const elsewhere = await person(base.replace('127.0.0.1', 'localhost'))
  await elsewhere.page.goto(there.pathname + there.search)
  await button(elsewhere.page, 'Go on here').click()
  await comesBy(elsewhere.page, page => button(page, 'Keep'))
  await button(elsewhere.page, 'Keep').click()
  await elsewhere.page.getByRole('status').filter({ hasText: 'Kept.' }).waitFor()
  elsewhere.watch.check()
  await elsewhere.page.goto('/lan')
  const address = await elsewhere.page.getByLabel('The box’s address and the network’s size').first().inputValue()
  ensure(address === '192.168.91.1/24', `the address is ${address}`)
  // The session went along; the old place has to sign in again.
  await who.page.goto('/lan')
  ensure(who.page.url().includes('/login'), 'the session is in two places')
  return elsewhere
}

const carl = await person(base)
try {
  await setUp(carl)
  say(`the network set up and kept with ${presses} presses`)
  await undo(carl)
  say('a change was given more time, and taken back')
  const moved = await move(carl)
  say('the address changed, and the session went along')
  const seen = await sweep(browser, moved, PAGES, scripts)
  carl.watch.check()
  console.log(`set up with ${presses} presses, undone, moved; ${seen} pages without a fault`)
} catch (error) {
  console.log(`FAILED: ${error.message.split('\n').join(' ')}`)
  await carl.page.screenshot({ path: join(env('FOLDER'), 'carl.png') }).catch(() => {})
  console.error(carl.page.url(), (await carl.page.locator('body').innerText().catch(() => '')).slice(0, 2000))
  process.exitCode = 1
} finally {
  await browser.close()
}
