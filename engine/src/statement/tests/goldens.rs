//! The bytes of one statement of each kind, signed by keys whose seeds are one repeated byte. Whoever changes one of
//! these has made a new format: it needs a new version in the envelope.

/// In the order of the kinds; one field a line.
pub(super) const GOLDENS: [&[&str]; 5] = [
    // A root.
    &[
        "43485354",                                                           // magic
        "01",                                                                 // version
        "01",                                                                 // kind: root
        "0000",                                                               // flags
        "0000000000000000000000000000000000000000000000000000000000000000",   // library
        "0100000000000000",                                                   // sequence
        "00ca2077a1010000",                                                   // time
        "a4000000",                                                           // body length
        "0100000000000000",                                                   // version
        "0909090909090909090909090909090909090909090909090909090909090909",   // nonce
        "050066696c6d73",                                                     // name
        "0000000000000000",                                                   // expires
        "03",                                                                 // roles
        "0101",                                                               // root role, threshold
        "00",                                                                 // all classes
        "018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", // keys
        "0201",                                                               // operator role, threshold
        "00",                                                                 // all classes
        "018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394", // keys
        "0301",                                                               // publisher role, threshold
        "00",                                                                 // all classes
        "01ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1", // keys
        "01",                                                                 // signatures
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",   // key
        "70f341d05b18000f99345f773db04b599b83c97de8cf472fc886349357fad1d3",
        "6b207c35e62b6c8a2a2be13500229bda28a7c3c0343285fc9ce4dfb8f9fb8b07", // signature
    ],
    // A release.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "02",                                                               // kind: release
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0700000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "69000000",                                                         // body length
        "0211111111111111111111111111111111111111111111111111111111111111",
        "1112121212121212121212121212121212121212121212121212121212121212",
        "12",                                                               // parents
        "1313131313131313131313131313131313131313131313131313131313131313", // manifest
        "0600e696b0e78987",                                                 // message
        "01",                                                               // signatures
        "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1", // key
        "45dde2c3d9496e3a0a93589b7ccd9b17693e4d8715bd0a150d35ea40d630e0a9",
        "ab73a0003434d7226c63def8691bb7b2dd5f432c83355f3831f5ed12e0e14504", // signature
    ],
    // A channel.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "03",                                                               // kind: channel
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0500000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "47000000",                                                         // body length
        "04006c697665",                                                     // name
        "1111111111111111111111111111111111111111111111111111111111111111", // release
        "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1", // active publisher
        "01",                                                               // follow
        "01",                                                               // signatures
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394", // key
        "0fec459dd9f6238e12b78a31a36ef133e04481cea8d24a11b1bf8751f743a9a9",
        "79962696f74baebe44c59c6927f3f6a7658dcc052b4bcfe02dea4cc8b1ee3807", // signature
    ],
    // A member.
    &[
        "43485354",                                                           // magic
        "01",                                                                 // version
        "04",                                                                 // kind: member
        "0000",                                                               // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",   // library
        "0100000000000000",                                                   // sequence
        "00ca2077a1010000",                                                   // time
        "87000000",                                                           // body length
        "11be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2",   // node
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c",   // key
        "07006e6f64652d3130",                                                 // name
        "03",                                                                 // role: edge
        "02",                                                                 // classes
        "050066696c6d73",                                                     // class
        "06006e6577732d2a",                                                   // class
        "01000000",                                                           // verbs
        "0026477ca1010000",                                                   // expires
        "011414141414141414141414141414141414141414141414141414141414141414", // ticket
        "01",                                                                 // signatures
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c",   // key
        "47822e488aed9fcb2069e274fa6b3d02d5b4dd8199ec61cb69ebb8c4ff1ff4a3",
        "5263ce593348223a1ae206cd7c5e2e6ef19f7ffef4776e4b012b940502e40003", // signature
    ],
    // A ticket.
    &[
        "43485354",                                                           // magic
        "01",                                                                 // version
        "05",                                                                 // kind: ticket
        "0000",                                                               // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",   // library
        "0100000000000000",                                                   // sequence
        "00ca2077a1010000",                                                   // time
        "62000000",                                                           // body length
        "20828bf5c5bdcacb684863336c202fb5599da48be5596615742170705beca9f7",   // key
        "0111be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2", // redeemers
        "02",                                                                 // classes
        "050066696c6d73",                                                     // class
        "06006e6577732d2a",                                                   // class
        "01000000",                                                           // verbs
        "02",                                                                 // role: mirror
        "0026477ca1010000",                                                   // expires
        "03000000",                                                           // uses
        "01",                                                                 // signatures
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",   // key
        "374bbe50635215e39c91ae7844cda5261cf96e67b215a4cbf8c205763784e653",
        "3ed252c3559cd0d6fc769c46b84befb747a9e4620812f5b0333d16d7c5335f0d", // signature
    ],
];
