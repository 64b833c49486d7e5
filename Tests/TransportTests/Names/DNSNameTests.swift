// SPDX-License-Identifier: BSD-2-Clause
//
// What can be a name of the DNS.

import Testing

@testable import Transport

@Suite struct DNSNameTests {
    private static let label = String(repeating: "a", count: 63)
    private static let longest = "\(label).\(label).\(label).\(String(repeating: "b", count: 61))"

    @Test(arguments: [
        ("example", "example"), ("_sigsum_v1.Example.COM.", "_sigsum_v1.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("-a-.1", "-a-.1"),
        (label, label), (longest, longest), (longest + ".", longest),
    ])
    func names(text: String, name: String) {
        #expect(DNSName(text)?.text == name)
    }

    @Test(arguments: [
        "", ".", "..", ".example", "a..b", "example..", "a b", "a\\.b", "b\u{fc}cher.example",
        "a\0b", "a/b", "*.example", "a" + label, longest + "b", "K.\u{212a}",
    ])
    func noNames(text: String) {
        #expect(DNSName(text) == nil)
    }
}
