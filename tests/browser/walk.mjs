// Walks through the panels of two fresh nodes as people would, with Debian's Chromium.
//
//   node walk.mjs scripts|no-scripts
//
// Finds everything by what a person sees or hears: roles, labels and texts. Fails on the first thing
// that is not so, on any request to another host, on any breach of the content security policy, and on
// anything axe finds. Expects ANNA, ANNA_CLAIM, BERT, BERT_CLAIM (panels and claim secrets) and FOLDER
// (a place for files) in the environment. The last line says what was seen.

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Watch, ensure, sweep } from './checks.mjs'

const scripts = process.argv[2] !== 'no-scripts'
const env = name => process.env[name] ?? ''
const PASSPHRASE = 'seven lanterns by the river'
const PATIENCE = 30_000
const PHONE = { width: 390, height: 844 }
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ARGS
})

async function person (panel) {
  const base = panel.replace(/\/$/, '')
  const context = await browser.newContext({
    baseURL: base, javaScriptEnabled: scripts, viewport: PHONE, locale: 'en'
  })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  return { base, context, page, watch: new Watch(page, base) }
}

function say (sentence) {
  console.log(`  ${scripts ? 'scripts' : 'no scripts'}: ${sentence}`)
}

async function claim ({ page }, secret, name, box) {
  await page.goto('/')
  await page.getByRole('main').getByRole('link', { name: 'Claim this box' }).click()
  await page.getByLabel('Claim secret').fill(secret)
  await page.getByLabel('Your name').fill(name)
  await page.getByLabel('The name of the box').fill(box)
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE)
  await page.getByRole('main').getByRole('button', { name: 'Claim this box' }).click()
  await page.waitForURL('**/overview**')
}

// Fills in the claim form with nothing but a keyboard, and sees where the focus is at every step.
async function claimByKeyboard ({ page }, secret, name, box) {
  await page.goto('/claim')
  const wanted = new Map([
    ['secret', secret], ['name', name], ['box_name', box], ['passphrase', PASSPHRASE]
  ])
  const order = []
  for (let step = 0; step < 40 && wanted.size > 0; step++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const element = document.activeElement
      const box = element.getBoundingClientRect()
      const style = getComputedStyle(element)
      const ring = style.outlineStyle !== 'none' || style.boxShadow !== 'none'
      return { name: element.getAttribute('name'), tag: element.tagName, ring, top: box.top, bottom: box.bottom, height: innerHeight }
    })
    ensure(at.ring, `${at.tag} ${at.name ?? ''} shows no focus`)
    ensure(at.bottom > 0 && at.top < at.height, `${at.tag} ${at.name ?? ''} has the focus out of sight`)
    const value = wanted.get(at.name)
    if (value === undefined) continue
    wanted.delete(at.name)
    order.push(at.name)
    await page.keyboard.press('Control+A')
    await page.keyboard.type(value)
  }
  ensure(order.join(' ') === 'secret name box_name passphrase', `the keyboard walks ${order.join(' ')}`)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/overview**')
}

async function goTo ({ page }, name) {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()
  await page.waitForLoadState()
}

async function upload (who, path) {
  await goTo(who, 'Files')
  const form = who.page.locator('form[action="/upload"]')
  await form.getByLabel('Files', { exact: true }).setInputFiles(path)
  await form.getByRole('button', { name: 'Upload' }).click()
}

// Makes a folder with folders in it; answers what is in its largest file.
function makeTrip (path) {
  mkdirSync(join(path, 'day one', 'évening'), { recursive: true })
  for (let n = 0; n < 40; n++) writeFileSync(join(path, 'day one', `note ${n}.txt`), `note ${n}`)
  const content = randomBytes(1_300_000)
  writeFileSync(join(path, 'day one', 'évening', 'song.bin'), content)
  return content
}

async function uploadFolder (who, path) {
  await goTo(who, 'Files')
  const form = who.page.locator('form[action="/upload"]')
  await form.getByLabel('Or a whole folder').setInputFiles(path)
  await form.getByRole('button', { name: 'Upload' }).click()
}

// Walks into the folder and compares the file at its end.
async function findsSong (who, content) {
  await goTo(who, 'Files')
  for (const name of ['trip', 'day one', 'évening', 'song.bin']) {
    await comesBy(who, page => page.getByRole('link', { name, exact: true }))
    await who.page.getByRole('link', { name, exact: true }).click()
    await who.page.waitForLoadState()
  }
  await comesBy(who, page => page.getByRole('link', { name: /^Download/ }))
  const href = await who.page.getByRole('link', { name: /^Download/ }).getAttribute('href')
  const part = await who.page.request.get(href, { headers: { range: 'bytes=1048570-1048589' } })
  const same = content.subarray(1048570, 1048590).equals(await part.body())
  ensure(part.status() === 206 && same, 'the file in the folder arrived changed')
}

async function post (who, text) {
  await goTo(who, 'Board')
  await who.page.getByLabel('What is new?').fill(text)
  await who.page.getByRole('button', { name: 'Put up' }).click()
  await who.page.getByRole('article').filter({ hasText: text }).waitFor()
}

// Waits until `there` is on the page; without scripts a person reloads it.
async function comesBy ({ page }, there) {
  if (scripts) return await there(page).first().waitFor()
  const end = Date.now() + PATIENCE
  while (await there(page).count() === 0) {
    ensure(Date.now() < end, `it never came, at ${page.url()}`)
    await page.reload()
  }
}

async function join_ (who, code) {
  await goTo(who, 'Neighbours')
  await who.page.getByLabel('Invite code').fill(code)
  await who.page.getByRole('button', { name: 'Join', exact: true }).click()
  // The answer comes when the other box has let us in.
  await who.page.getByRole('status').first().waitFor()
}

async function invite (who) {
  await goTo(who, 'Neighbours')
  await who.page.getByRole('button', { name: 'Make an invite' }).click()
  const code = await who.page.getByLabel('The same as text').inputValue()
  ensure(code.startsWith('KITH1-'), `an odd code: ${code}`)
  return code
}

async function removeAndUndo (who, name) {
  await goTo(who, 'Files')
  const row = who.page.getByRole('listitem').filter({ hasText: name })
  await row.locator('summary').click()
  await row.getByRole('button', { name: 'Remove' }).click()
  await who.page.getByRole('button', { name: 'Undo' }).click()
  await who.page.getByRole('link', { name }).first().waitFor()
}

const anna = await person(env('ANNA'))
const bert = await person(env('BERT'))
try {
  const visitor = await sweep(browser, anna, ['/', '/claim', '/login', '/help', '/about', '/nowhere'], scripts)
  await claim(anna, env('ANNA_CLAIM'), 'Anna', 'Anna’s box')
  await claimByKeyboard(bert, env('BERT_CLAIM'), 'Bert', 'Bert’s box')
  say('two boxes claimed, one of them by keyboard alone')

  const content = randomBytes(700_000)
  const path = join(env('FOLDER'), 'street map.bin')
  writeFileSync(path, content)
  await upload(anna, path)
  await comesBy(anna, page => page.getByRole('link', { name: 'street map.bin' }))
  await post(anna, 'Soup at six, bring bowls')
  say('a file uploaded and a notice put up')

  await join_(bert, await invite(anna))
  await goTo(bert, 'Files')
  await comesBy(bert, page => page.getByRole('link', { name: 'street map.bin' }))
  await goTo(bert, 'Board')
  await comesBy(bert, page => page.getByRole('article').filter({ hasText: 'Soup at six' }))
  say('the other box was invited and has both')

  // Bert stays where he is and sees it come.
  await post(anna, 'And bread, if you have any')
  await comesBy(bert, page => page.getByRole('article').filter({ hasText: 'And bread' }))
  say(scripts ? 'a second notice appeared by itself' : 'a second notice is there after a reload')

  await goTo(bert, 'Files')
  await bert.page.getByRole('link', { name: 'street map.bin' }).click()
  await comesBy(bert, page => page.getByRole('link', { name: /^Download/ }))
  const href = await bert.page.getByRole('link', { name: /^Download/ }).getAttribute('href')
  const got = await bert.page.request.get(href)
  ensure(got.ok() && content.equals(await got.body()), 'the file arrived changed')
  const part = await bert.page.request.get(href, { headers: { range: 'bytes=10-19' } })
  ensure(part.status() === 206 && content.subarray(10, 20).equals(await part.body()), 'no ranges')
  say('the file is the same byte for byte, whole and in part')

  const song = makeTrip(join(env('FOLDER'), 'trip'))
  await uploadFolder(anna, join(env('FOLDER'), 'trip'))
  await anna.page.getByRole('status').filter({ hasText: 'trip is up.' }).waitFor()
  await findsSong(anna, song)
  await findsSong(bert, song)
  await uploadFolder(anna, join(env('FOLDER'), 'trip'))
  await anna.page.getByRole('status').filter({ hasText: 'is up as trip (2)' }).waitFor()
  say('a folder uploaded as one, and read in both boxes; the second of its name stands beside it')

  await removeAndUndo(anna, 'street map.bin')
  say('a file was removed and brought back')

  const pages = [
    '/overview', '/files', '/files/shared/trip/day%20one', '/files/shared/street%20map.bin', '/board', '/peers', '/people',
    '/activity', '/account', '/help', '/about', '/nowhere'
  ]
  const member = await sweep(browser, bert, pages, scripts)
  for (const who of [anna, bert]) who.watch.check()
  console.log(`claimed, uploaded (a folder, too), posted, invited, arrived; ${visitor + member} pages without a fault`)
} catch (error) {
  console.log(`FAILED: ${error.message.split('\n').join(' ')}`)
  for (const who of [anna, bert]) {
    await who.page.screenshot({ path: join(env('FOLDER'), `${who === anna ? 'anna' : 'bert'}.png`) }).catch(() => {})
    console.error(who.page.url(), (await who.page.locator('body').innerText().catch(() => '')).slice(0, 2000))
  }
  process.exitCode = 1
} finally {
  await browser.close()
}
