// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's epoll set and the events it hands out. Only this file names epoll's C symbols (the
// event bits stand in EventHandler.swift). Whom an event is for is the reactor's part.

import CLinux
import SystemPackage

/// One epoll descriptor.
struct Epoll: ~Copyable {
    private let descriptor: OwnedDescriptor

    init() throws(Errno) {
        descriptor = try OwnedDescriptor { epoll_create1(Int32(EPOLL_CLOEXEC)) }
    }

    /// Adds a descriptor, whose events will carry the registration.
    borrowing func add(_ registration: Registration, for interest: Interest) throws(Errno) {
        try control(EPOLL_CTL_ADD, registration, interest)
    }

    /// Changes what is waited for.
    borrowing func modify(_ registration: Registration, for interest: Interest) throws(Errno) {
        try control(EPOLL_CTL_MOD, registration, interest)
    }

    /// Removes a descriptor, which must still be open.
    borrowing func remove(_ registration: Registration) throws(Errno) {
        try control(EPOLL_CTL_DEL, registration, [])
    }

    /// Waits for events and puts them into `list`, whose earlier content is gone.
    ///
    /// - Parameter timeout: in milliseconds; 0 does not wait, -1 waits without end. A signal ends
    ///   the wait with no event.
    borrowing func wait(_ list: inout ReadyList, timeout: Int32) {
        let rawValue = descriptor.rawValue
        // The kernel writes at most `count` events at the array's own storage.
        let count = unsafe list.events.withUnsafeMutableBufferPointer { buffer in
            unsafe epoll_wait(rawValue, buffer.baseAddress, Int32(buffer.count), timeout)
        }
        list.count = max(0, Int(count))
        guard count == -1 else { return }
        let error = Errno(rawValue: clinux_errno())
        // EBADF, EFAULT and EINVAL are all that is left, and each is a bug here.
        precondition(error == .interrupted, "epoll_wait: \(error)")
    }

    private borrowing func control(
        _ operation: Int32, _ registration: Registration, _ interest: Interest
    ) throws(Errno) {
        var event = unsafe epoll_event()
        unsafe event.events = interest.rawValue
        // Writing one member of the union that has the size of the whole.
        unsafe event.data.u64 = registration.packed
        let epoll = descriptor.rawValue
        // The kernel copies the event from the address of a local variable.
        _ = try Syscall.value {
            unsafe epoll_ctl(epoll, operation, registration.descriptor, &event)
        }
    }
}

/// The events that one `Epoll.wait` brought, at most as many as the list has places.
///
/// `@safe`: a C struct with a union counts as unsafe, and does not leave this file.
@safe struct ReadyList {
    fileprivate var events: [epoll_event]
    fileprivate(set) var count = 0

    init(places: Int) {
        unsafe events = [epoll_event](repeating: epoll_event(), count: places)
    }

    /// What happened, and for whom.
    subscript(index: Int) -> (registration: Registration, events: ReadyEvents) {
        precondition(index < count)
        // All 64 bits of the union were written when the descriptor was added.
        let (packed, bits) = unsafe (events[index].data.u64, events[index].events)
        return (Registration(packed: packed), ReadyEvents(rawValue: bits))
    }
}
