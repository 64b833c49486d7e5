// SPDX-License-Identifier: BSD-2-Clause

// The info page shows what it is told, and nothing of it is markup.

import HTTPWire
import LogCrypto
import TestSupport
import Testing
import TileStore

@testable import LogService

@Suite struct InfoPageTests {
    @Test(arguments: [
        ("", ""), ("/2026/log", "/2026/log"), ("<b>", "&lt;b&gt;"), ("a&b", "a&amp;b"),
        ("&lt;", "&amp;lt;"), ("\"x\"", "&quot;x&quot;"), ("é\u{1F511}", "é\u{1F511}"),
        // One character for Swift, two for a browser.
        ("<\u{338}script>", "&lt;\u{338}script&gt;"), ("&\u{301}", "&amp;\u{301}"),
    ])
    func escaping(text: String, html: String) {
        #expect(Array(InfoPage.escaped(text).utf8) == Array(html.utf8))
    }

    @Test func everyFactIsEscaped() throws {
        let key = try Golden.logKey().publicKey
        let page = InfoPage(publicKey: key, prefix: "/<p>&", version: "<v>\"&").render()
        let exchange = try Request("/").exchange { _, _, _, response throws(StoreError) in
            response.prerendered(page)
            return Answer.written(.info, .ok)
        }
        let body = try #require(exchange.body)
        for fact in ["\(key)", "\(key.keyHash)", "/&lt;p&gt;&amp;", "&lt;v&gt;&quot;&amp;"] {
            #expect(body.contains(fact))
        }
        #expect(!body.contains("<p>&") && !body.contains("<v>"))
        #expect(exchange.response?.isWhole == true)
    }

    @Test func withoutAPrefix() throws {
        let page = InfoPage(
            publicKey: try Golden.logKey().publicKey, prefix: "", version: "x"
        ).render()
        let exchange = try Request("/").exchange { _, _, _, response throws(StoreError) in
            response.prerendered(page)
            return Answer.written(.info, .ok)
        }
        #expect(exchange.body?.contains("<code>(none)</code>") == true)
    }
}
