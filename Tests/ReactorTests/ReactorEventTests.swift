// SPDX-License-Identifier: BSD-2-Clause
//
// Descriptors in the loop: level-triggered events, interest, and registrations that have ended.
// A test prepares a reactor and runs it on its own thread until a handler stops it.

import Reactor
import Testing

@Suite struct ReactorEventTests {
    @Test func whatIsLeftInTheSocketIsReportedAgain() throws {
        let reactor = try Reactor()
        let pair = try SocketPair()
        pair.sendByte()
        var calls = 0
        let handler = ClosureHandler { events, _ in
            #expect(events == .readable)
            calls += 1
            guard calls == 3 else { return }
            #expect(pair.receive() == .moved(1))
            #expect(pair.receive() == .wouldBlock)
            reactor.stop()
        }
        _ = try reactor.register(pair.near, for: .read, handler: handler)
        reactor.run()
        #expect(calls == 3)
    }

    @Test func interestDecidesWhatIsReported() throws {
        let reactor = try Reactor()
        let pair = try SocketPair()
        pair.sendByte()
        var seen: [ReadyEvents] = []
        let handler = ClosureHandler { events, registration in
            seen.append(events)
            switch seen.count {
            case 1: reactor.update(registration, for: [.read, .write])
            case 2: reactor.update(registration, for: .write)
            default:
                reactor.update(registration, for: [])
                // Nothing is waited for, so only this job can end the run.
                reactor.post { reactor.stop() }
            }
        }
        _ = try reactor.register(pair.near, for: .read, handler: handler)
        reactor.run()
        #expect(seen == [.readable, [.readable, .writable], .writable])
    }

    @Test func aHangUpIsReportedToOneWhoWaitsForNothing() throws {
        let reactor = try Reactor()
        let pair = try SocketPair()
        var seen: ReadyEvents = []
        let handler = ClosureHandler { events, registration in
            seen = events
            reactor.deregister(registration)
            reactor.stop()
        }
        _ = try reactor.register(pair.near, for: [], handler: handler)
        pair.closeFar()
        reactor.run()
        #expect(seen.contains(.hangUp))
    }

    @Test func aHandlerRemovedByAnEarlierOneOfTheSameListIsNotCalled() throws {
        let reactor = try Reactor()
        let pairs = [try SocketPair(), try SocketPair()]
        var registrations: [Registration] = []
        var calls = 0
        let handler = ClosureHandler { _, _ in
            calls += 1
            // Both, so that the test does not depend on whom the kernel names first.
            registrations.forEach(reactor.deregister)
            registrations.forEach(reactor.deregister)
            reactor.stop()
        }
        for pair in pairs {
            pair.sendByte()
            registrations.append(
                try reactor.register(pair.near, for: .read, handler: handler))
        }
        reactor.run()
        #expect(calls == 1)
        #expect(registrations.allSatisfy { reactor.handler(of: $0) == nil })
    }

    @Test func anEventOfAClosedDescriptorDoesNotReachTheNextOwnerOfItsNumber() throws {
        let reactor = try Reactor()
        let pairs = [try SocketPair(), try SocketPair()]
        var registrations: [Registration] = []
        var strayed = false
        let successor = ClosureHandler { _, _ in strayed = true }
        let handler = ClosureHandler { _, registration in
            // The other one is ready too and stands later in the same list. Its number goes to
            // another socket, on which nothing ever happens.
            let index = registrations[0] == registration ? 1 : 0
            let other = registrations[index]
            reactor.deregister(other)
            try pairs[index].replaceNear()
            let renewed = try reactor.register(
                pairs[index].near, for: .read, handler: successor)
            #expect(renewed != other)
            #expect(reactor.handler(of: other) == nil)
            #expect(reactor.handler(of: renewed) === successor)
            reactor.post { reactor.stop() }
            reactor.deregister(registration)
        }
        for pair in pairs {
            pair.sendByte()
            registrations.append(
                try reactor.register(pair.near, for: .read, handler: handler))
        }
        reactor.run()
        #expect(!strayed)
    }
}
