/* Where the certificates of the tests are, and what README.md says of them. TME_TEST_CERTIFICATES is their directory. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#define CERTIFICATE_FILE TME_TEST_CERTIFICATES "/server.pem"
#define CERTIFICATE_KEY_FILE TME_TEST_CERTIFICATES "/key.pem"
#define CERTIFICATE_NAME "game.example"
/* As it is in other programs, and as openssl prints it. */
#define CERTIFICATE_FINGERPRINT "8efe50f2c9bddd084f75113626a195c7c11b346192a10d02e66362d9a86f9f49"
#define CERTIFICATE_FINGERPRINT_COLONS \
    "8E:FE:50:F2:C9:BD:DD:08:4F:75:11:36:26:A1:95:C7:C1:1B:34:61:92:A1:0D:02:E6:63:62:D9:A8:6F:9F:49"

#define EXPIRED_FILE TME_TEST_CERTIFICATES "/expired.pem"
#define EXPIRED_FINGERPRINT "d2cb08933085c282126ad8f9c355ffc4d5be8a9783b3e629daf5636b4c0d9965"
#define STRANGER_FILE TME_TEST_CERTIFICATES "/stranger.pem"

#endif
