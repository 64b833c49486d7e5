// SPDX-License-Identifier: BSD-2-Clause
//
// The vocabulary between the reactor and those who own descriptors: what they wait for, what
// happened, and the name under which a descriptor is known to the reactor.

import CLinux

/// What a descriptor's owner waits for. Errors and hang-ups are always reported.
package struct Interest: OptionSet, Sendable {
    /// The bits, those of epoll.
    package let rawValue: UInt32

    /// A set of epoll's bits.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bytes, a connection to accept, or the end of the peer's stream.
    package static let read = Interest(rawValue: EPOLLIN.rawValue)
    /// Room for bytes to send, or a connection attempt that came to its end.
    package static let write = Interest(rawValue: EPOLLOUT.rawValue)
    /// Report changes only (EPOLLET); who asks for it must not rely on being reminded.
    static let edge = Interest(rawValue: EPOLLET.rawValue)
}

/// What happened on a descriptor.
package struct ReadyEvents: OptionSet, Sendable {
    /// The bits, those of epoll.
    package let rawValue: UInt32

    /// A set of epoll's bits.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// A receive will not block: there are bytes, or the end of the stream, or an error to fetch.
    package static let readable = ReadyEvents(rawValue: EPOLLIN.rawValue)
    /// A send will not block.
    package static let writable = ReadyEvents(rawValue: EPOLLOUT.rawValue)
    /// Both directions are at their end. Reported whatever the interest is.
    package static let hangUp = ReadyEvents(rawValue: EPOLLHUP.rawValue)
    /// The connection failed (reset, for one). Reported whatever the interest is.
    package static let error = ReadyEvents(rawValue: EPOLLERR.rawValue)
}

/// A descriptor's place in a reactor, from `register` to `deregister`.
///
/// The kernel hands a closed descriptor's number to the next one opened, so the number alone could
/// mean another connection. The generation differs for every registration of a reactor (it comes
/// round after 2^32 of them, and would have to do so on the same number to be mistaken).
package struct Registration: Hashable, Sendable {
    let descriptor: Int32
    let generation: UInt32

    /// Stands for no registration: it has no handler, ever.
    package static let none = Registration(descriptor: 0, generation: 0)

    init(descriptor: Int32, generation: UInt32) {
        self.descriptor = descriptor
        self.generation = generation
    }

    /// Unpacks what `packed` made.
    init(packed: UInt64) {
        descriptor = Int32(truncatingIfNeeded: packed)
        generation = UInt32(truncatingIfNeeded: packed >> 32)
    }

    /// Both parts in the 64 bits that epoll gives back with each event.
    var packed: UInt64 {
        UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
    }
}

/// The owner of a registered descriptor.
package protocol EventHandler: AnyObject {
    /// Called on the reactor's thread when something happened that the interest covers.
    ///
    /// Events are level-triggered: what is left undone is reported again. The handler may register,
    /// update and deregister anything, itself included.
    func ready(_ events: ReadyEvents, of registration: Registration)
}
