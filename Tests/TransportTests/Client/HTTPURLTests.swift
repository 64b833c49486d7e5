// SPDX-License-Identifier: BSD-2-Clause
//
// The URLs of services.

import Testing

@testable import Transport

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("http://witness.example", "http://witness.example", ""),
        ("https://Witness.Example/", "https://witness.example", ""),
        ("HTTPS://witness.example:443/a/b//", "https://witness.example", "/a/b"),
        ("http://127.0.0.1:8080/x%20y", "http://127.0.0.1:8080", "/x%20y"),
        ("http://[::1]:81/~w", "http://[::1]:81", "/~w"), ("http://[::1]", "http://[::1]", ""),
    ])
    func aServiceHasAnOriginAndAPath(text: String, origin: String, prefix: String) throws {
        let url = try HTTPURL(parsing: text)
        #expect(url.origin.description == origin)
        #expect(url.pathPrefix == prefix)
    }

    @Test(arguments: [
        ("", HTTPURLError.scheme), ("witness.example", .scheme), ("ftp://a", .scheme),
        ("http:/a", .scheme), ("http://", .host), ("http:///a", .host), ("https://u@a", .host),
        ("http://a b", .host), ("http://::1", .host), ("http://[::1", .host), ("http://[a]", .host),
        ("http://[]", .host), ("http://b\u{fc}cher.example", .host), ("http://a:", .port),
        ("http://a:0", .port), ("http://a:65536", .port), ("http://a:+1", .port),
        ("http://a:8x", .port), ("http://u:p@a", .port), ("http://a/b?c", .path),
        ("http://a?c", .path), ("http://a/#c", .path), ("http://a/b c", .path),
        ("http://a/\r\nHost: b", .path),
    ])
    func whatIsNoServiceIsRefused(text: String, error: HTTPURLError) {
        #expect(throws: error) { try HTTPURL(parsing: text) }
        #expect(error.description.hasPrefix("expected "))
    }
}
