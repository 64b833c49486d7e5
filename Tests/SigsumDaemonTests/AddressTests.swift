// SPDX-License-Identifier: BSD-2-Clause
//
// Endpoints, URL prefixes and URLs: what is accepted, its canonical form, what is refused and why.

import SystemPackage
import Testing
import Transport

@testable import SigsumDaemon

struct AddressTests {
    @Test(
        "Endpoints as Go's net.Listen takes them",
        arguments: [
            ("localhost:6965", "localhost", 6965, "localhost:6965"),
            (":6965", "", 6965, ":6965"),
            ("[::1]:6965", "::1", 6965, "[::1]:6965"),
            ("[::]:0", "::", 0, "[::]:0"),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80, "[fe80::1%eth0]:80"),
            ("127.0.0.1:065", "127.0.0.1", 65, "127.0.0.1:65"),
            ("[localhost]:1", "localhost", 1, "localhost:1"),
            ("a-b.c_d:65535", "a-b.c_d", 65535, "a-b.c_d:65535"),
        ] as [(String, String, UInt16, String)])
    func endpoint(text: String, host: String, port: UInt16, canonical: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint == Endpoint(host: host, port: port))
        #expect(endpoint.description == canonical)
        #expect(try Endpoint(parsing: canonical) == endpoint)
    }

    @Test(
        "Endpoints that are none",
        arguments: [
            ("", "missing port"), ("localhost", "missing port"), ("localhost:", "missing port"),
            ("::1:6965", "too many colons; an IPv6 address stands in brackets"),
            ("a:b:1", "too many colons; an IPv6 address stands in brackets"),
            ("[::1", "missing ']'"), ("[::1]", "missing port"), ("[::1]6965", "missing port"),
            ("[::1]:1:2", "missing port"), ("[::g]:1", "not an IPv6 address"),
            ("[fe80::1%]:1", "not an IPv6 address"), ("a]:1", "not a host name"),
            ("http://localhost:1", "too many colons; an IPv6 address stands in brackets"),
            ("local host:1", "not a host name"), ("h\u{F6}st:1", "not a host name"),
            ("localhost:65536", "a port is at most 65535"),
            ("localhost:-1", "unknown service \"-1\""), ("localhost:1 ", "unknown service \"1 \""),
            ("localhost:no-such-service", "unknown service \"no-such-service\""),
            ("a:\u{661}", "unknown service \"\u{661}\""),
        ])
    func notEndpoint(text: String, reason: String) {
        #expect(throws: SettingSyntaxError(reason)) { try Endpoint(parsing: text) }
    }

    @Test(
        "A service's name is its port, where the system knows services",
        .enabled(if: FileText.exists("/etc/services")))
    func service() throws {
        #expect(try Endpoint(parsing: "localhost:https").port == 443)
    }

    @Test(
        "URL prefixes, slashes at the ends making no difference",
        arguments: [
            ("", ""), ("/", ""), ("//", ""), ("a", "a"), ("/a", "a"), ("a/", "a"), ("/a/b/", "a/b"),
            ("//a//", "a"), ("2026.log/x~y", "2026.log/x~y"), ("a:b@c", "a:b@c"),
        ])
    func prefix(text: String, path: String) throws {
        let prefix = try URLPrefix(parsing: text)
        #expect(prefix.path == path)
        #expect(try URLPrefix(parsing: prefix.description) == prefix)
    }

    @Test(
        "URL prefixes that are none",
        arguments: [
            ("a//b", "empty segment"), ("a/./b", "segment \".\""), ("..", "segment \"..\""),
            ("a b", "character \" \""), ("a?b", "character \"?\""), ("a#b", "character \"#\""),
            ("a%20b", "character \"%\""), ("{x}", "character \"{\""),
            ("\u{F6}", "character \"\u{F6}\""),
            ("a\nb", "character \"\\n\""), ("a\\b", "character \"\\\\\""),
        ])
    func notPrefix(text: String, reason: String) {
        #expect(throws: SettingSyntaxError(reason)) { try URLPrefix(parsing: text) }
    }

    @Test(
        "URLs: scheme, host, port, path, canonical form",
        arguments: [
            ("http://localhost:6967", "localhost", 6967, "", "http://localhost:6967"),
            ("http://localhost:6967/", "localhost", 6967, "", "http://localhost:6967"),
            ("HTTPS://Example.ORG", "example.org", 443, "", "https://example.org"),
            ("http://a:80/b/c//", "a", 80, "/b/c", "http://a/b/c"),
            ("https://a:80/b", "a", 80, "/b", "https://a:80/b"),
            ("http://[::1]:1/x%2Fy", "::1", 1, "/x%2Fy", "http://[::1]:1/x%2Fy"),
            ("http://[2001:DB8::1]", "2001:db8::1", 80, "", "http://[2001:db8::1]"),
            ("http://127.0.0.1:", "127.0.0.1", 80, "", "http://127.0.0.1"),
        ] as [(String, String, UInt16, String, String)])
    func url(text: String, host: String, port: UInt16, path: String, canonical: String) throws {
        let url = try HTTPURL(parsing: text)
        #expect(url.origin.host == host)
        #expect(url.origin.port == port)
        #expect(url.path == path)
        #expect(url.description == canonical)
        #expect(try HTTPURL(parsing: canonical) == url)
    }

    @Test(
        "URLs that are none, or say more than has an effect",
        arguments: [
            ("", nil), ("localhost:6967", nil), ("//a", nil), ("http:/a", nil),
            ("ftp://a", "unknown scheme \"ftp\""), ("http://", "no host"), ("http:///a", "no host"),
            ("http://:80", "no host"), ("http://u@a", "has a user name"),
            ("http://u:p@a/", "has a user name"), ("http://a?b", "has a query"),
            ("http://a/#b", "has a fragment"), ("http://a b", "not a host name"),
            ("http://a:0", "a port is a number from 1 to 65535"),
            ("http://a:65536", "a port is a number from 1 to 65535"),
            ("http://a:http", "a port is a number from 1 to 65535"),
            ("http://a:1:2", "a port is a number from 1 to 65535"),
            ("http://[::1", "not an IPv6 address in brackets"),
            ("http://[::1]x", "not an IPv6 address in brackets"),
            ("http://[a]", "not an IPv6 address in brackets"),
            ("http://a/b c", "character \" \""), ("http://a/%2", "character \"%\""),
            ("http://a/%zz", "character \"%\""),
        ] as [(String, String?)])
    func notURL(text: String, reason: String?) {
        #expect(throws: SettingSyntaxError(reason)) { try HTTPURL(parsing: text) }
    }

    @Test("The Host field of a URL")
    func authority() throws {
        #expect(try HTTPURL(parsing: "http://[::1]:80/a").origin.authority == "[::1]")
        #expect(try HTTPURL(parsing: "https://a:8443").origin.authority == "a:8443")
    }
}
