// SPDX-License-Identifier: BSD-2-Clause
//
// What a service manager wants to hear (sd_notify(3)): that the service is ready, and that it
// stops. A datagram to the socket that $NOTIFY_SOCKET names; without that variable nothing happens.

import CLinux
import Glibc

enum ServiceManager {
    /// The store is open and the sockets listen.
    static func ready() { notify("READY=1\n") }

    /// The process is about to end.
    static func stopping() { notify("STOPPING=1\n") }

    private static func notify(_ message: String) {
        // getenv's string is copied at once; nothing in the process sets variables.
        guard let name = unsafe getenv("NOTIFY_SOCKET").map({ unsafe String(cString: $0) }) else {
            return
        }
        var path = Array(name.utf8)
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.count > 1, path.count < capacity else { return }
        // "@" stands for the zero byte of the abstract name space.
        if path[0] == UInt8(ascii: "@") { path[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        // The path is shorter than the field it is copied to.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
        let pathOffset = MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2
        let addressCount = socklen_t(pathOffset + path.count)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(message.utf8)
        // Both buffers are locals, read within their lengths. A manager that is gone is no error.
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = unsafe sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer,
                    addressCount)
            }
        }
    }
}
