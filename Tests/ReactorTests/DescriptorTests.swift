// SPDX-License-Identifier: BSD-2-Clause
//
// The owners of descriptors, threads and signals.

import CLinux
import Reactor
import SystemPackage
import Testing

@Suite struct DescriptorTests {
    /// The stream's end comes when the last descriptor of the far end is closed. That may be a copy
    /// in a process which another test is about to start, so it is waited for.
    private func waitUntilClosed(_ pair: SocketPair) throws {
        let reactor = try Reactor()
        let handler = ClosureHandler { _, _ in
            #expect(pair.receive() == .moved(0))
            reactor.stop()
        }
        _ = try reactor.register(pair.near, for: .read, handler: handler)
        reactor.run()
    }

    @Test func aDescriptorIsClosedWithItsOwner() throws {
        let pair = try SocketPair()
        #expect(pair.receive() == .wouldBlock)
        pair.closeFar()
        try waitUntilClosed(pair)
    }

    @Test func aDescriptorTakenOutStaysOpen() throws {
        let pair = try SocketPair()
        let number = try #require(pair.takeFar())
        #expect(pair.receive() == .wouldBlock)
        OwnedDescriptor(adopting: number).close()
        try waitUntilClosed(pair)
    }

    @Test func aVanishedPeerIsAnErrorAndNoSignal() throws {
        let pair = try SocketPair()
        pair.closeFar()
        try waitUntilClosed(pair)
        let bytes: [UInt8] = [1]
        let outcome = pair.near.send(bytes.span)
        #expect(outcome == .failed(.brokenPipe))
    }

    @Test func aFailedCallThrowsItsErrno() {
        #expect(throws: Errno.noSuchFileOrDirectory) {
            _ = try OwnedDescriptor {
                // The literal lives as long as the program.
                unsafe clinux_open("/nonexistent/file", O_RDONLY, 0)
            }
        }
    }

    /// The end of the process waits for nobody who is detached, whatever he waits for.
    @Test func aDetachedThreadDoesNotHoldTheProcess() async {
        await #expect(processExitsWith: .success) {
            let thread = try JoinableThread(name: "hangs") {
                while true { pause() }
            }
            thread.detach()
        }
    }

    @Test func useAfterCloseTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = try Syscall.value { clinux_fcntl_int(1_000_000, F_GETFL, 0) }
        }
    }

    @Test func aSignalIsAnEvent() throws {
        let thread = try JoinableThread(name: "test-signal") {
            // In a thread of its own, to which alone the signal is sent: the threads of the test
            // process exist already and do not block it.
            SignalSource.claimSignals()
            #expect(throws: Never.self) {
                let reactor = try Reactor()
                var seen: [Signal] = []
                try SignalSource(on: reactor) { signal in
                    seen.append(signal)
                    if signal == .terminate { reactor.stop() }
                }
                pthread_kill(pthread_self(), SIGHUP)
                reactor.post { pthread_kill(pthread_self(), SIGTERM) }
                reactor.run()
                #expect(Set(seen) == [.hangUp, .terminate])
            }
        }
        thread.join()
    }
}
