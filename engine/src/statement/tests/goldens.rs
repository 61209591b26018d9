//! The bytes of one statement of each kind, signed by keys whose seeds are one repeated byte. Whoever changes one of
//! these has made a new format: it needs a new version in the envelope.

/// In the order of the kinds; one field a line.
pub(super) const GOLDENS: [&[&str]; 9] = [
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
    // A revoke.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "07",                                                               // kind: revoke
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0300000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "30000000",                                                         // body length
        "11be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2", // node
        "0300000000000000",                                                 // up to
        "0600e8a2abe79b97",                                                 // reason
        "01",                                                               // signatures
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394", // key
        "f144bf0ded4eeb93c6dff841ce2328ab5108a40305490a71168edbb178caaae0",
        "27d8bcf4d29bfc026e84e2b9bb6ffb57985eef6d00f3666a49ea7b6f59c4bc0d", // signature
    ],
    // A fresh.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "08",                                                               // kind: fresh
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0900000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "26000000",                                                         // body length
        "04006c697665",                                                     // channel
        "1515151515151515151515151515151515151515151515151515151515151515", // statement
        "01",                                                               // signatures
        "8a875fff1eb38451577acd5afee405456568dd7c89e090863a0557bc7af49f17", // key
        "f0bed773ff9a43e243bda31d8a6e2fa1d9f02b79edf2b1cd335d802baf60caa0",
        "1e0c9008539827c5e04e12ff7272be68fd51e512ac415f105fd33e439155e108", // signature
    ],
    // A succession.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "09",                                                               // kind: succession
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0100000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "68000000",                                                         // body length
        "11be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2", // node
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c", // old key
        "66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a", // new key
        "005c260500000000",                                                 // grace
        "02",                                                               // signatures
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c", // key
        "9def2bf97d57f9e7c7792db619ffef423dcb8c774ffcce4623debea02ef14982",
        "0cc9800227683f58078f8649967241d9be152f6d034c7fe1f378c95a8dd6790e", // signature
        "66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a", // key
        "149e1955f5a45afc7f637de07e2ab97b8bc853911d09988e715c635a50da19f8",
        "15e8f6cb6544f684bbc7a727c9c29a576ffc0e596a8372d8f476a2e7c10c580e", // signature
    ],
    // A checkpoint.
    &[
        "43485354",                                                         // magic
        "01",                                                               // version
        "0a",                                                               // kind: checkpoint
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "6400000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "48000000",                                                         // body length
        "11be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2", // node
        "6400000000000000",                                                 // count
        "1616161616161616161616161616161616161616161616161616161616161616", // head
        "01",                                                               // signatures
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c", // key
        "8c75afa9041a417fbbd3f6eb300e7c9901c8034fe8d766b9cacb23ec2debb2e1",
        "26377947d12b0982d6a387c847df2b256e2bf85c3c5e39fd237dd8655608a202", // signature
    ],
];
