// swift-tools-version: 6.2
// SPDX-License-Identifier: BSD-2-Clause

// The targets, lowest first. An import only ever points up this list; docs/architecture.md says what
// each is for, and Tests/HouseTests holds the sources to it.

import PackageDescription

let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "sigsum",
    products: [
        .executable(name: "sigsum", targets: ["sigsum"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CIDN", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CResolver"),

        .target(name: "LogCrypto", dependencies: ["COpenSSL"], swiftSettings: settings),
        .target(name: "MerkleLog", dependencies: ["LogCrypto"], swiftSettings: settings),
        .target(
            name: "SigsumFormats", dependencies: ["LogCrypto", "MerkleLog"],
            swiftSettings: settings),
        .target(
            name: "TileStore",
            dependencies: [
                "CLinux", "CLMDB", "LogCrypto", "MerkleLog", "SigsumFormats",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(name: "HTTPWire", swiftSettings: settings),
        .target(
            name: "Reactor",
            dependencies: [
                "CLinux",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "Transport",
            dependencies: [
                "CLinux", "COpenSSL", "CResolver", "Reactor", "HTTPWire",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "LogService",
            dependencies: [
                "CIDN", "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire",
                .product(name: "DequeModule", package: "swift-collections"),
            ], swiftSettings: settings),
        .target(
            name: "SigsumDaemon",
            dependencies: [
                "CLinux", "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire",
                "Reactor", "Transport", "LogService",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ], swiftSettings: settings),
        .executableTarget(name: "sigsum", dependencies: ["SigsumDaemon"], swiftSettings: settings),

        .executableTarget(
            name: "store-bench",
            dependencies: [
                "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Benchmarks/StoreBench", swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["LogCrypto"],
            path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "LogCryptoTests", dependencies: ["LogCrypto", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "MerkleLogTests", dependencies: ["LogCrypto", "MerkleLog", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SigsumFormatsTests",
            dependencies: ["LogCrypto", "MerkleLog", "SigsumFormats", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "HTTPWireTests", dependencies: ["HTTPWire", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "ReactorTests",
            dependencies: [
                "CLinux", "Reactor",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "CLinux", "COpenSSL", "HTTPWire", "Reactor", "Transport", "TestSupport",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "LogServiceTests",
            dependencies: [
                "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire", "LogService",
                "TestSupport",
            ], swiftSettings: settings),
        .testTarget(name: "HouseTests", swiftSettings: settings),
        .testTarget(
            name: "SigsumDaemonTests",
            dependencies: [
                "LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "HTTPWire", "Reactor",
                "Transport", "LogService", "SigsumDaemon", "sigsum", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "TileStoreTests",
            dependencies: ["LogCrypto", "MerkleLog", "SigsumFormats", "TileStore", "TestSupport"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
