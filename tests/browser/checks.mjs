// What must hold on every page, whoever looks at it: no fault that axe finds, nothing sticks out, no
// script breaks, nothing is fetched from elsewhere, the policy is kept.

import axe from 'axe-core'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']
const WIDTHS = [390, 1280]
const SCHEMES = ['light', 'dark']
// A page as it crosses the network in one window of TCP.
const MAX_HTML = 14 * 1024

export function ensure (holds, otherwise) {
  if (!holds) throw new Error(otherwise)
}

// Notes what a page does behind its face.
export class Watch {
  constructor (page, base) {
    this.faults = []
    page.on('request', request => {
      const url = request.url()
      const own = url.startsWith(`${base}/`) || url.startsWith('data:') || url.startsWith('blob:')
      if (!own) this.faults.push(`asks for ${url}`)
    })
    page.on('pageerror', error => this.faults.push(`a script broke: ${error.message}`))
    page.on('console', message => {
      const text = message.text()
      // The page of what does not exist is meant to be a 404, and a script is kept away below.
      const meant = text.includes('status of 4') || text.includes('ERR_FAILED')
      if (message.type() === 'error' && !meant) this.faults.push(text)
    })
  }

  check () {
    ensure(this.faults.length === 0, this.faults.join('\n'))
  }
}

// Looks at `pages` in every width and scheme with the cookies of `who`; answers how many it looked at.
export async function sweep (browser, who, pages, scripts) {
  let seen = 0
  const state = await who.context.storageState()
  for (const width of WIDTHS) {
    for (const colorScheme of SCHEMES) {
      const context = await browser.newContext({
        baseURL: who.base, storageState: state, colorScheme,
        viewport: { width, height: 900 }, locale: 'en', reducedMotion: 'reduce'
      })
      // axe is a script itself; so without scripts means here that ours never arrives.
      if (!scripts) await context.route('**/*.js*', route => route.abort('failed'))
      const page = await context.newPage()
      const watch = new Watch(page, who.base)
      for (const path of pages) {
        const answer = await page.goto(path)
        await look(page, answer, `${path} at ${width} px, ${colorScheme}`)
        seen++
      }
      watch.check()
      await context.close()
    }
  }
  return seen
}

export async function look (page, answer, where) {
  const html = await answer.text()
  ensure(answer.status() < 500, `${where}: ${answer.status()}`)
  ensure(html.length < 4 * MAX_HTML, `${where}: ${html.length} bytes of HTML`)
  ensure((answer.headers()['content-security-policy'] ?? '').includes("default-src 'none'"), `${where}: no policy`)
  const shape = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    headings: document.querySelectorAll('h1').length,
    mains: document.querySelectorAll('main').length,
    lang: document.documentElement.lang,
    title: document.title
  }))
  ensure(shape.wide <= 0, `${where}: sticks out by ${shape.wide} px`)
  ensure(shape.mains === 1 && shape.lang !== '' && shape.title !== '', `${where}: ${JSON.stringify(shape)}`)
  await page.evaluate(axe.source)
  const found = await page.evaluate(
    values => globalThis.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }),
    TAGS
  )
  const faults = found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).join(', ')}`)
  ensure(faults.length === 0, `${where}: ${faults.join('; ')}`)
}
