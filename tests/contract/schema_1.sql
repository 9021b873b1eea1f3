-- An index of schema 1 as the first release wrote it: rows a and é in parts, x edited by another program.
CREATE TABLE changes (number INTEGER PRIMARY KEY, key INTEGER NOT NULL);
INSERT INTO "changes" VALUES(1,1);
INSERT INTO "changes" VALUES(2,2);
INSERT INTO "changes" VALUES(3,2);
INSERT INTO "changes" VALUES(4,3);
INSERT INTO "changes" VALUES(5,4);
INSERT INTO "changes" VALUES(6,3);
INSERT INTO "changes" VALUES(7,4);
INSERT INTO "changes" VALUES(8,4);
CREATE TABLE generations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        space TEXT NOT NULL,    -- canonical JSON
        model TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('building', 'active', 'standby', 'dropped'))
    );
INSERT INTO "generations" VALUES(1,'{"dim":4,"facts":{"weights":"fake"},"kind":"fake","similarity":"cosine"}','fake','active');
CREATE TABLE leases (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        fence INTEGER NOT NULL,
        owner TEXT NOT NULL,    -- '' when nobody holds it
        taken REAL NOT NULL,    -- seconds since the epoch
        expires REAL NOT NULL
    );
INSERT INTO "leases" VALUES(1,3,'',0.0,0.0);
CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        settings TEXT NOT NULL  -- JSON
    );
INSERT INTO "meta" VALUES(1,1,'{"splitter":{"name":"passages","size":25,"version":1}}');
CREATE TABLE parts_1 (
        key INTEGER NOT NULL,
        part INTEGER NOT NULL,
        "start" INTEGER NOT NULL,  -- characters of the row's text
        "end" INTEGER NOT NULL,
        text_hash BLOB NOT NULL,   -- of the whole text this part was made from
        address BLOB NOT NULL,
        tokens INTEGER NOT NULL,
        truncated INTEGER NOT NULL,
        vid INTEGER NOT NULL,
        PRIMARY KEY (key, part)
    ) WITHOUT ROWID;
INSERT INTO "parts_1" VALUES(1,0,0,5,X'7DBDF68AC0BB3482A281E2672B08773F99A4315D6E6FE02D3317D50A28D18401',X'75E75FB7BD4970ED86FA857DF36C7899',2,0,1);
INSERT INTO "parts_1" VALUES(2,0,0,20,X'D700F6BD89B726D93C6AFEC5C8114FB179C0509BE9D87F9853A576E41537C25C',X'994E33EA11F3FB1A41128FA923354585',3,0,2);
INSERT INTO "parts_1" VALUES(2,1,21,43,X'D700F6BD89B726D93C6AFEC5C8114FB179C0509BE9D87F9853A576E41537C25C',X'2B5A2CC4A935683651D8B8B428E10775',3,0,3);
INSERT INTO "parts_1" VALUES(4,0,0,5,X'5EBBE2A2650A5E157C4F8E6720167485236CE883498722718171EFE14EFAB41C',X'EAF1BECA9901B37868FB4A6559A9D8AD',2,0,5);
CREATE TABLE rows (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL DEFAULT '',
        bucket INTEGER,         -- NULL: written or renamed by another program
        text_hash BLOB,         -- SHA-256; NULL: text or id edited by another program
        metadata TEXT NOT NULL DEFAULT '{}',
        metadata_hash BLOB      -- SHA-256; NULL: metadata edited by another program
    );
INSERT INTO "rows" VALUES(1,'é','default',224,X'7DBDF68AC0BB3482A281E2672B08773F99A4315D6E6FE02D3317D50A28D18401','{}',X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A');
INSERT INTO "rows" VALUES(2,'a','default',3723,X'D700F6BD89B726D93C6AFEC5C8114FB179C0509BE9D87F9853A576E41537C25C','{"k":1}',X'A0DA1FCE57D0E4F9F0AE4E4CBE040D34DCC046255C6C8D18E97F55AAED0655F0');
INSERT INTO "rows" VALUES(4,'x','other',2253,NULL,'{}',X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A');
CREATE TABLE texts (key INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO "texts" VALUES(1,'a dog');
INSERT INTO "texts" VALUES(2,'First sentence here. Second sentence there.');
INSERT INTO "texts" VALUES(4,'edited');
CREATE TABLE vectors_1 (
        vid INTEGER PRIMARY KEY AUTOINCREMENT,
        key INTEGER NOT NULL,      -- of the part that has it, for the triggers below
        part INTEGER NOT NULL,
        vector BLOB NOT NULL       -- little-endian float32; never changed by us
    );
INSERT INTO "vectors_1" VALUES(1,1,0,X'0000003F0000003F0000003F0000003F');
INSERT INTO "vectors_1" VALUES(2,2,0,X'0000003F0000003F000000BF000000BF');
INSERT INTO "vectors_1" VALUES(3,2,1,X'000000BF000000BF000000BF0000003F');
INSERT INTO "vectors_1" VALUES(5,4,0,X'0000003F000000BF0000003F0000003F');
CREATE UNIQUE INDEX generations_active ON generations (status) WHERE status = 'active';
CREATE INDEX rows_state ON rows (bucket, key, id, scope, text_hash, metadata_hash);
CREATE TRIGGER rows_currency AFTER UPDATE OF key, text_hash ON rows
    WHEN NEW.text_hash IS NOT OLD.text_hash OR NEW.key <> OLD.key BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END;
CREATE TRIGGER rows_replaced BEFORE INSERT ON rows BEGIN
        INSERT INTO changes (key) SELECT key FROM rows WHERE id = NEW.id;
    END;
CREATE TRIGGER rows_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM texts WHERE key = OLD.key;
    END;
CREATE TRIGGER rows_renamed AFTER UPDATE OF id ON rows WHEN NEW.id IS NOT OLD.id BEGIN
        UPDATE rows SET bucket = NULL, text_hash = NULL WHERE key = NEW.key;
    END;
CREATE TRIGGER rows_metadata_edited AFTER UPDATE OF metadata ON rows
    WHEN NEW.metadata IS NOT OLD.metadata AND NEW.metadata_hash IS OLD.metadata_hash BEGIN
        UPDATE rows SET metadata_hash = NULL WHERE key = NEW.key;
    END;
CREATE TRIGGER texts_edited AFTER UPDATE OF text ON texts WHEN NEW.text IS NOT OLD.text BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = NEW.key;
    END;
CREATE TRIGGER texts_inserted AFTER INSERT ON texts BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = NEW.key;
    END;
CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = OLD.key;
    END;
CREATE INDEX parts_1_address ON parts_1 (address);
CREATE TRIGGER parts_1_deleted AFTER DELETE ON parts_1 BEGIN
        DELETE FROM vectors_1 WHERE vid = OLD.vid;
        INSERT INTO changes (key) VALUES (OLD.key);
    END;
CREATE TRIGGER parts_1_inserted AFTER INSERT ON parts_1 BEGIN
        INSERT INTO changes (key) VALUES (NEW.key);
    END;
CREATE TRIGGER parts_1_edited AFTER UPDATE ON parts_1 BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END;
CREATE TRIGGER vectors_1_edited AFTER UPDATE ON vectors_1 BEGIN
        UPDATE parts_1 SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END;
CREATE TRIGGER vectors_1_replaced BEFORE INSERT ON vectors_1
    WHEN EXISTS (SELECT 1 FROM vectors_1 WHERE vid = NEW.vid) BEGIN
        UPDATE parts_1 SET text_hash = x'', address = x'' WHERE vid = NEW.vid AND (key, part) IN
            (SELECT key, part FROM vectors_1 WHERE vid = NEW.vid);
    END;
CREATE TRIGGER vectors_1_deleted AFTER DELETE ON vectors_1 BEGIN
        UPDATE parts_1 SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END;
CREATE TRIGGER parts_1_row_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM parts_1 WHERE key = OLD.key;
    END;
INSERT INTO "sqlite_sequence" VALUES('generations',1);
INSERT INTO "sqlite_sequence" VALUES('vectors_1',5);
