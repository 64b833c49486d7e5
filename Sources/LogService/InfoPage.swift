// SPDX-License-Identifier: BSD-2-Clause

// The page that a person sees who opens the log's URL.

package import HTTPWire
package import LogCrypto

/// What the page tells.
package struct InfoPage {
    /// The log's public key.
    package let publicKey: PublicKey
    /// The URL prefix, empty or with a slash before it.
    package let prefix: String
    /// Name and version of the software.
    package let version: String

    /// A page of these facts.
    package init(publicKey: PublicKey, prefix: String, version: String) {
        self.publicKey = publicKey
        self.prefix = prefix
        self.version = version
    }

    /// The response for it.
    package func render() -> PrerenderedResponse {
        let page = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>Sigsum log</title>
            </head>
            <body>
            <h1>Sigsum log</h1>
            <p>This is a <a href="https://www.sigsum.org/">Sigsum</a> transparency log.</p>
            <dl>
            <dt>Log public key</dt><dd><code>\(publicKey)</code></dd>
            <dt>Log key hash</dt><dd><code>\(publicKey.keyHash)</code></dd>
            <dt>URL prefix</dt><dd><code>\(prefix.isEmpty ? "(none)" : Self.escaped(prefix))</code></dd>
            <dt>Software</dt><dd>\(Self.escaped(version))</dd>
            </dl>
            </body>
            </html>

            """
        return PrerenderedResponse(
            .ok, contentType: "text/html; charset=utf-8", body: Array(page.utf8).span)
    }

    /// `text` as HTML. By scalars: a combining mark after `<` makes another character of the two,
    /// but not for a browser.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
