//! The bytes of one statement of each kind, signed by keys whose seeds are one repeated byte. A change of
//! these bytes is a new format: it needs a new version in the envelope.

/// In the order of the kinds; one field a line.
pub(super) const GOLDENS: [&[&str]; 11] = [
    // A root.
    &[
        "43485354",                                                           // magic
        "02",                                                                 // version
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
        "940ae1388a9960326e09923c64cad20cf000d970eed4f7318d59b0328ee2b56b",
        "a283375e8465cce540e4112c6797d37a69e29dd54bc0803498531953966e8d0d", // signature
    ],
    // A release.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "9a83db56ddfaf83d7ad768b816ada5a9aa627ae1775af93eeca1da85427b84d8",
        "1bdd4f97f0b7ae0bf98bca1ce13df79d626228787b9f4796fad15b535d10be07", // signature
    ],
    // A channel.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "43d3adc128336234705f77e09c6b3348614543d9760feb891553cb0dad98fdf5",
        "090c2d9c9b93df0a6aad64b6f3f149fc61a50a5fd6262070c7239a601c86d206", // signature
    ],
    // A member.
    &[
        "43485354",                                                           // magic
        "02",                                                                 // version
        "04",                                                                 // kind: member
        "0000",                                                               // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",   // library
        "0100000000000000",                                                   // sequence
        "00ca2077a1010000",                                                   // time
        "8b000000",                                                           // body length
        "11be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2",   // node
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c",   // key
        "07006e6f64652d3130",                                                 // name
        "03",                                                                 // role: edge
        "02006575",                                                           // region
        "02",                                                                 // classes
        "050066696c6d73",                                                     // class
        "06006e6577732d2a",                                                   // class
        "01000000",                                                           // verbs
        "0026477ca1010000",                                                   // expires
        "011414141414141414141414141414141414141414141414141414141414141414", // ticket
        "01",                                                                 // signatures
        "43a72e714401762df66b68c26dfbdf2682aaec9f2474eca4613e424a0fbafd3c",   // key
        "94dcc4d2881f681bb91f5ce092341f78ffb904567b727e3c44dcdaf2175fd265",
        "a161161dae9447b130634e4b470112f3db49f4b716d00f31c8b3279d8b5dc10d", // signature
    ],
    // A ticket.
    &[
        "43485354",                                                           // magic
        "02",                                                                 // version
        "05",                                                                 // kind: ticket
        "0000",                                                               // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",   // library
        "0100000000000000",                                                   // sequence
        "00ca2077a1010000",                                                   // time
        "66000000",                                                           // body length
        "20828bf5c5bdcacb684863336c202fb5599da48be5596615742170705beca9f7",   // key
        "0111be79ed5256b71610bfbaf3c88bf0b281d09b15cb673b03f4a9c86c88f36fe2", // redeemers
        "02",                                                                 // classes
        "050066696c6d73",                                                     // class
        "06006e6577732d2a",                                                   // class
        "01000000",                                                           // verbs
        "02",                                                                 // role: mirror
        "02006575",                                                           // region
        "0026477ca1010000",                                                   // expires
        "03000000",                                                           // uses
        "01",                                                                 // signatures
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",   // key
        "77535b5bf95302819c3a7e7b9daab5e094c67e819774999c96db07ce89550dd1",
        "c55cf3664c08fdd09446b714a82ed573cfb52077cff5c838b02bbc47bc108205", // signature
    ],
    // A revoke.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "9d27a41a351e7da2d16231c163def618f691b9c6f6bc5cc7776a382937ca79ed",
        "610399ee9672681b752a5b96f8afb9c314a44e3a48abc756ca4ce15d51fc7102", // signature
    ],
    // A fresh.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "37bff477912a55707585416d16e2495a9c54d4fe7afc196851527203cdb0088f",
        "ccb103f5ed3cf60df3f719c6648a673a09c32fc7f2a43ce820d2346e6efbfe09", // signature
    ],
    // A succession.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "f5fd4a786af0a067d14c7cac065cb95759e2eead0d2eb173dc4b9fbd154ff9e8",
        "b4200c2dabe95479e6b0050e1478e97540a6b4f46cde7dbbb21e1a0bcdacbf08", // signature
        "66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a", // key
        "979ba5c33292e24fee07f7b337d267c2f6e1478624b9a077735e8f914eb4d1c2",
        "98c21a40ee18f188fcb4e5c804e2b80585a82f05ddcc9ac62536c3a84502710a", // signature
    ],
    // A checkpoint.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
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
        "20cab76f4cc3c0ec2309945b8e6d6a67efadd4fb271063b4816df8d6a3e01b1c",
        "36cde8aa4e8bf4fcd4b2246c8bd7be6f79e966b6cc9f8386c920e29298579b0b", // signature
    ],
    // A policy.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
        "0b",                                                               // kind: policy
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0200000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "23000000",                                                         // body length
        "02000a00",                                                         // excludes
        "0100",                                                             // count
        "06002a2e70617274",                                                 // exclude
        "02011100",                                                         // row of slot 2
        "0100010003",                                                       // mirror: dynamic
        "0c000800c027090000000000",                                         // max_stale
        "01",                                                               // signatures
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394", // key
        "4710b66e43fda4e9ee2857ad8f54ba6ed44f6a44c8bddec5d96b716ecc3fcae2",
        "fb7924dd2db360a74a75fe8329b2459d78bae5df18289b58dfa8258d7e52d209", // signature
    ],
    // A list of pins.
    &[
        "43485354",                                                         // magic
        "02",                                                               // version
        "19",                                                               // kind: pins
        "0000",                                                             // flags
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // library
        "0100000000000000",                                                 // sequence
        "00ca2077a1010000",                                                 // time
        "62000000",                                                         // body length
        "fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618", // signer
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394", // key of the pins
        "0100",                                                             // count
        "1818181818181818181818181818181818181818181818181818181818181818", // pin
        "01",                                                               // signatures
        "fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618", // key
        "6e0e090ba336f243540d761d5711e680959dd4a847dcce5192f845e385f1e7dc",
        "389f1a4f324042c378f0ad592d3df8e5160661f4715cd6281e0797020325ba01", // signature
    ],
];
