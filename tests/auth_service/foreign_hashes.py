"""Hashes of one password, made by the libraries themselves at little cost."""

FOREIGN_PASSWORD = "Trés bon café"

# Django 5.2.
DJANGO = {
    "pbkdf2_sha256": "pbkdf2_sha256$1000$xvvvwH0fOfGWxSWNSrmJ1K$XLKVLc05vXtpK2RPSnHLBenOiIOEvZ9C4uSbJ0/dq1Q=",
    "pbkdf2_sha1": "pbkdf2_sha1$1000$xvvvwH0fOfGWxSWNSrmJ1K$hUk4mMQiysu2uf48wijN57cfKMs=",
    "argon2": (
        "argon2$argon2id$v=19$m=64,t=1,p=2$QkNVdk1VNGhTZ2ROclpibXZwRmprcQ$4rM8uaoWwoEojY9Szoto2HLS3kawNKSAV+krSANhjQk"
    ),
    "bcrypt_sha256": "bcrypt_sha256$$2b$04$1jf7LUm3dxwcwPyYHaDEvOUyIha8qWV/n5SqU8yEdCWGJ9oJ/tKau",
    "bcrypt": "bcrypt$$2b$04$NNRSOagPmipCPCrcPZyJ0.Rmcrcs0Dl7rag8m6fgoyvl4d9jcPbgi",
    "scrypt": (
        "scrypt$16$oRHYzRnetqbOIL3sDbEKRN$8$1$"
        "jhDNODNg7JNqusi+t9zNL/AWzdj3DG1CNOpoeWGNPxXZlqNuAy9/EIc3gWjAkLNHR4goCbXqrzX0TjlXbVbejQ=="
    ),
}
# Werkzeug 3.1, the hashes of Flask applications.
WERKZEUG = {
    "pbkdf2_sha256": (
        "pbkdf2:sha256:1000$f9XMfcgITJKbYD2e$92ecf0a50ade448e024e61107b86c1837f8de2cd7b480b230596e990de74b839"
    ),
    "pbkdf2_sha1": "pbkdf2:sha1:1000$b9YXCbfq5nGt1ZS6$b3fd7ee95f8cfd1db691c31ceed4999a8ae4cbbf",
    "pbkdf2_sha224": "pbkdf2:sha224:1000$bFnCBCly4zUt47MW$bfd06daae1aa268cd6a581489a259384f2ebe1bcfd8cf1b08c6959b4",
    "pbkdf2_sha384": (
        "pbkdf2:sha384:1000$gfqTs29Hy8DMWtJL$"
        "b97e7159394b5a06dfd680b09a774ba38ca8a50e148830b39e749e4daef783272ba5784cd48864c3ca1f3deb45ec0958"
    ),
    "pbkdf2_sha512": (
        "pbkdf2:sha512:1000$cdNV6r49747Nx1Qw$"
        "92c6a408833526032133653907ff5ed0a674809937303c926517e5d989b9b7e6"
        "611a42aead9681ba4497cb4ca00e23f9dcb19318f1c578f2b04c99031f7688e9"
    ),
    "scrypt": (
        "scrypt:1024:8:1$4FukFCo0OZWM7i2H$"
        "d1589c40b18e070ceb4df237c90f9ad1375beffb8edacc65b58ccebdb1e56c49"
        "f13a50a2de9b9e86fb5f72b9896e57047c97dcd350cf83b07483dbda000066da"
    ),
}
# bcrypt 5.0, in the identifiers of OpenBSD (2a, 2b) and PHP (2y).
BCRYPT = {
    "2a": "$2a$04$9.3IgB4FJEN5gZ7DnP3KqO2fwHgxYb2J6r4CPscGxP0wnYkFlwpLu",
    "2b": "$2b$04$9DPRX4t1suXRTI8dJPcRHO0y5/R1JpiJoGxsGVU5WEYxzh5fbFzmu",
    "2y": "$2y$04$.z87MP6ouPJeHCQ4xjBXhejqub9K2Xxxf/61ZYu.EBvw7vfm5ksa.",
}
# passlib's, of many FastAPI applications.
PASSLIB = {
    "bcrypt_sha256": "$bcrypt-sha256$v=2,t=2b,r=4$s1YutRo37bLMMjBcPgoRPu$c8q4Y0wXHrmsMxfWACCl8Pfi7a2Afdm",
    "bcrypt_sha256 before 1.7.3": "$bcrypt-sha256$2b,4$Mc1Kc6pdQyrbJpCdC/myu.$dcMT/wnOYZKSVZxnA/mdcXM9GeiaU.e",
    "pbkdf2_sha256": "$pbkdf2-sha256$1000$TImxFuIc43xPiZGy1prTeg$oC.8JVU5GaZVSvOHXikef.2pVsfP6rm8fqlfSlLcNYQ",
    "pbkdf2_sha512": (
        "$pbkdf2-sha512$1000$znlvTUmJ0TqntBZi7B1DCA$"
        "JWsHSiO6IddXbHmt.QhzyNPawjosjd6BiuwG3YMagAGtCQ0yRgfV9xFa2K1icprM9G7Uw3Rj6y5lC2njGahw4g"
    ),
    "pbkdf2_sha1": "$pbkdf2$1000$XSslZMwZozQmBIBQSolRag$dkF0xfvAE2YB2Y0XwIy03gXHitw",
    "scrypt": "$scrypt$ln=4,r=8,p=1$hZBSqvU+Z4xRCsG4NyZkLA$P/461yNGS3KOxnxnthREVKsd9J1juK7yySHTIC+EtUs",
}
FOREIGN = {
    f"{family} {kind}": password_hash
    for family, hashes in (("Django", DJANGO), ("Werkzeug", WERKZEUG), ("bcrypt", BCRYPT), ("passlib", PASSLIB))
    for kind, password_hash in hashes.items()
}
LONG = "x" * 100
LONG_BCRYPT = "$2b$04$P0PsIL1J2KxdiWqECWqS..kcbt/l.pf4muMwBo1AFZ324d2H6miH2"
"""Of ``LONG``, by a bcrypt of before its release 5: the first 72 bytes count."""
