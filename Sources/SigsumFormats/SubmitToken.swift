// SPDX-License-Identifier: BSD-2-Clause

// The header by which a submitter shows which domain vouches for a request:
//
//     sigsum-token: <domain> <128 hex digits>

package import LogCrypto

/// A submit token: a domain and a signature that a key in its DNS may have made.
package struct SubmitToken: Hashable, Sendable {
    /// The domain as it was sent, not yet normalised: any bytes but blanks.
    package let domain: [UInt8]
    /// The signature over `sigsum.org/v1/submit-token`, a NUL, and the log's public key.
    package let signature: Signature

    /// Reads the header's value.
    package init(parsing value: Span<UInt8>) throws(FormatError) {
        guard let fields = value.fields(2),
            let signature = Signature(hex: value.extracting(fields[1]))
        else {
            throw FormatError(expected: "a domain and 128 hex digits", found: value)
        }
        let domain = value.extracting(fields[0])
        self.domain = domain.indices.map { domain[$0] }
        self.signature = signature
    }

    /// Whether `key`, found in the domain's DNS, made this token for the log with `logKey`.
    package func isValid(for key: PublicKey, log logKey: PublicKey) -> Bool {
        var text: [UInt8] = []
        text.append("sigsum.org/v1/submit-token\0")
        logKey.withSpan { bytes in
            for position in bytes.indices { text.append(bytes[position]) }
        }
        return key.verify(signature, of: text.span)
    }
}
