// SPDX-License-Identifier: BSD-2-Clause
//
// All errors there are: a new one belongs into its list, and thereby into the tables.

import HTTPWire

extension RequestError {
    static let all: [RequestError] =
        MessageError.allCases.map(RequestError.message) + [
            .emptyLinesTooMany, .requestLineMalformed, .targetMalformed, .targetTooLong,
            .hostMissing, .hostRepeated, .hostMalformed, .expectationUnknown,
        ]
}

extension ResponseError {
    static let all: [ResponseError] =
        MessageError.allCases.map(ResponseError.message) + [
            .statusLineMalformed, .interimTooMany, .protocolSwitched, .truncated,
        ]
}
